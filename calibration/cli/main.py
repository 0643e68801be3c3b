"""calibrate: the command line of a field engineer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from edge_agent import __version__
from edge_agent.cli.command import run_command

SUBCOMMANDS = ("run", "collect", "int8", "fp16", "activate", "rollback", "status", "scale", "threshold")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; every expected failure is one line on stderr, and exit code 2."""
    return run_command("calibrate", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="calibrate", description="On-site calibration of an inspection.")
    parser.add_argument("--version", action="version", version=f"matecheck {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for name in SUBCOMMANDS:
        import_module(f"calibration.cli.{name}").add_parser(subparsers)
    arguments = parser.parse_args(argv)
    return int(arguments.main(arguments))


if __name__ == "__main__":
    sys.exit(main())
