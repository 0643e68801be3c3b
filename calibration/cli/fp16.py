"""calibrate fp16: an FP16 engine, judged against FP32."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Make an FP16 engine: no ranges, no calibration, faster than FP32 and nearly as exact. The pictures of
`calibrate collect` are needed all the same, to compare it with FP32. For a line on which INT8 did not
pass. The engine that runs is not touched: `calibrate activate` takes the new one.
"""
EPILOG = """\
exit codes:
  0  the engine passed the gate: activate it
  1  the engine did not pass: it cannot be activated; the reasons are printed
  2  nothing was made: too few pictures, wrong arguments, a full disk
"""


def add_parser(subparsers: Any) -> None:
    """Add `fp16` to calibrate."""
    parser = subparsers.add_parser(
        "fp16",
        help="make an FP16 engine, where INT8 does not pass",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Make and judge the engine."""
    from calibration.cli.int8 import make_engine
    from calibration.making import FP16
    from calibration.place import Place
    from calibration.progress import Progress
    from edge_agent.config import load

    progress = Progress()
    made = make_engine(Place.of(load(arguments.config)), FP16, progress)
    if made.gate.passed:
        progress.line(f"next: calibrate activate {arguments.config} {made.name}")
    return 0 if made.gate.passed else 1
