"""calibrate int8: an INT8 engine from the collected pictures, judged against FP32."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.making import Made
    from calibration.place import Place
    from calibration.progress import Progress

DESCRIPTION = """\
Make an INT8 engine from the pictures that `calibrate collect` took: find the ranges of the network's
layers, write the INT8 model, compile it for this device, and compare it with FP32 on the quarter of
the pictures that was kept aside. The engine that runs is not touched: `calibrate activate` takes the
new one. Killed or interrupted, the next call goes on where it was.
"""
EPILOG = """\
exit codes:
  0  the engine passed the gate: activate it
  1  the engine did not pass: it cannot be activated; the reasons are printed
  2  nothing was made: too few pictures, wrong arguments, a full disk
"""


def add_parser(subparsers: Any) -> None:
    """Add `int8` to calibrate."""
    parser = subparsers.add_parser(
        "int8",
        help="make an INT8 engine from the collected pictures",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Make and judge the engine."""
    from calibration.making import INT8
    from calibration.place import Place
    from calibration.progress import Progress
    from edge_agent.config import load

    progress = Progress()
    made = make_engine(Place.of(load(arguments.config)), INT8, progress)
    if made.gate.passed:
        progress.line(f"next: calibrate activate {arguments.config}")
        return 0
    progress.line("instead, FP16 needs no pictures and is nearly as exact as FP32:")
    progress.line(f"next: calibrate fp16 {arguments.config}")
    return 1


def make_engine(place: Place, precision: str, progress: Progress) -> Made:
    """Make an engine of a precision and say how it was judged. Raises MatecheckError."""
    from calibration.making import Making
    from calibration.priority import step_back

    step_back()
    made = Making(place, precision, progress).make()
    if made.gate.passed:
        progress.line(f"gate       passed: {made.gate.text}")
    else:
        progress.line("gate       NOT PASSED, this engine cannot be activated:")
        for reason in made.gate.reasons:
            progress.line(f"           - {reason}")
    progress.line(f"report     {place.report}")
    return made
