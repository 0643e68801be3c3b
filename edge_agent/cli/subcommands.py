"""A command line of subcommands, a module each: what edge-agent, build-engine and calibrate have in common."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from edge_agent import __version__
from edge_agent.cli.command import run_command


def run_subcommand(
    program: str, description: str, package: str, modules: Sequence[str], argv: Sequence[str] | None
) -> int:
    """Run the subcommand that `argv` names; every expected failure is one line on stderr, and exit code 2.

    Args:
        program: name of the console script.
        description: what it does, for --help.
        package: where the modules are, such as edge_agent.cli.
        modules: each has add_parser(subparsers), which sets `main`, a function of the arguments to an exit code.
        argv: None takes this process's own.
    """
    return run_command(program, lambda: _run(program, description, package, modules, argv))


def _run(program: str, description: str, package: str, modules: Sequence[str], argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--version", action="version", version=f"matecheck {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for name in modules:
        import_module(f"{package}.{name}").add_parser(subparsers)
    arguments = parser.parse_args(argv)
    return int(arguments.main(arguments))
