"""What `calibrate int8` and `calibrate fp16` have in common: their arguments, exit codes and last words."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.making import Made
    from calibration.place import Place
    from calibration.progress import Progress

EPILOG = """\
exit codes:
  0  the engine passed the gate: activate it
  1  the engine did not pass: it cannot be activated; the reasons are printed
  2  nothing was made: too few pictures, wrong arguments, a full disk
"""


def add_command(subparsers: Any, precision: str, *, summary: str, description: str) -> None:
    """Add a command that makes an engine of a precision, and is called like it."""
    parser = subparsers.add_parser(
        precision,
        help=summary,
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.set_defaults(main=run, precision=precision)


def run(arguments: argparse.Namespace) -> int:
    """Make and judge the engine, and say what comes next."""
    from calibration.making import INT8
    from calibration.place import Place
    from calibration.progress import Progress
    from edge_agent.config import load

    progress = Progress()
    made = make_engine(Place.of(load(arguments.config)), arguments.precision, progress)
    if made.gate.passed:
        progress.line(f"next: calibrate activate {arguments.config} {made.name}")
        return 0
    if arguments.precision == INT8:
        progress.line(offer_fp16(arguments.config))
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


def offer_fp16(config: Path) -> str:
    """What to do where INT8 does not pass."""
    return f"instead, FP16 needs no ranges and is nearly as exact as FP32: calibrate fp16 {config}"
