"""calibrate: the command line of a field engineer."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge_agent.cli.subcommands import run_subcommand

DESCRIPTION = "On-site calibration of an inspection."
SUBCOMMANDS = ("run", "collect", "int8", "fp16", "activate", "rollback", "status", "scale", "threshold")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns its exit code."""
    return run_subcommand("calibrate", DESCRIPTION, "calibration.cli", SUBCOMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
