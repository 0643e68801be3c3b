"""build-engine: networks, training, evaluation, export."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from edge_agent import __version__
from edge_agent.cli.command import run_command

SUBCOMMANDS = (
    *("samples", "train", "finetune", "evaluate", "export", "import_model"),
    *("quantize", "compile", "verify", "ensure"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; every expected failure is one line on stderr, and exit code 2."""
    return run_command("build-engine", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="build-engine", description="Trains, judges and exports the networks.")
    parser.add_argument("--version", action="version", version=f"matecheck {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for name in SUBCOMMANDS:
        import_module(f"build_engine.cli.{name}").add_parser(subparsers)
    arguments = parser.parse_args(argv)
    return int(arguments.main(arguments))


if __name__ == "__main__":
    sys.exit(main())
