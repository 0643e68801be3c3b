"""build-engine: networks, training, evaluation, export."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge_agent.cli.subcommands import run_subcommand

DESCRIPTION = "Trains, judges and exports the networks."
SUBCOMMANDS = (
    *("samples", "train", "finetune", "evaluate", "export", "import_model"),
    *("quantize", "compile", "verify", "ensure"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns its exit code."""
    return run_subcommand("build-engine", DESCRIPTION, "build_engine.cli", SUBCOMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
