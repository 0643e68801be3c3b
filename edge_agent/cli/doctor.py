"""edge-agent doctor: what is there on this machine, what is not, and what mends it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Look at this machine: inference back ends, cameras, clock, disk, memory, temperature.
With CONFIG also: load its recipe, take a frame from its camera, run its model on one
tile, and connect to its broker (beside a running agent, without disturbing it).
"""
EPILOG = """\
exit codes:
  0  nothing is broken (a remark marked "note" does not count)
  2  something is broken; its line says what mends it
"""


def add_parser(subparsers: Any) -> None:
    """Add `doctor` to edge-agent."""
    parser = subparsers.add_parser(
        "doctor",
        help="look at this machine and say what to mend",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", metavar="CONFIG", type=Path, nargs="?", help="agent.toml; without it the machine alone"
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a finding."""
    from edge_agent import doctor
    from edge_agent.config import load

    settings = load(arguments.config) if arguments.config else None
    broken = 0
    for finding in doctor.examine(settings):
        broken += finding.state == "broken"
        mend = f"; {finding.mend}" if finding.mend else ""
        print(f"{finding.state:<7} {finding.subject:<12} {finding.what}{mend}", flush=True)
    return 2 if broken else 0
