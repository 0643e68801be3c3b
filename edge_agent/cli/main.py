"""edge-agent: the command line of the agent."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge_agent.cli.subcommands import run_subcommand

DESCRIPTION = "Inspects electrical connectors for foreign objects just before mating."
SUBCOMMANDS = ("run", "inspect", "teach", "check_config", "doctor", "demo")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns its exit code."""
    return run_subcommand("edge-agent", DESCRIPTION, "edge_agent.cli", SUBCOMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
