"""calibrate run: collect, int8 and activate in one go."""

from __future__ import annotations

import argparse
from typing import Any

DESCRIPTION = """\
Everything in one go while the line runs: collect pictures, make an INT8 engine, compare it with FP32,
and let the agent take it if it passes. Whatever ends it (Ctrl-C, a lost connection, a power cut), the
engine that ran before goes on, and the next call takes up the work where it was.
"""
EPILOG = """\
exit codes:
  0  the new engine is active
  1  nothing was changed: pictures are missing, or the engine did not pass; what to do is printed
  2  wrong arguments, a full disk, no rights

over a bad connection:
  nohup calibrate run agent.toml > calibrate.log &
"""


def add_parser(subparsers: Any) -> None:
    """Add `run` to calibrate."""
    from calibration.cli.collect import add_options

    parser = subparsers.add_parser(
        "run",
        help="collect, int8 and activate in one go",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Do one step after the other; each knows what was done before."""
    from calibration.activation import activate
    from calibration.cli.collect import check, collect_pairs
    from calibration.cli.engine_command import make_engine, offer_fp16
    from calibration.making import INT8
    from calibration.place import Place
    from calibration.progress import Progress
    from edge_agent.config import load

    check(arguments)
    progress = Progress()
    place = Place.of(load(arguments.config))
    store = place.store  # before anything else: without a store nothing could be activated
    progress.line("step 1 of 3: pictures")
    missing = collect_pairs(place, arguments, progress)
    if any(need.vital for need in missing):
        progress.line("nothing was changed; the engine that ran goes on")
        return 1
    progress.line("step 2 of 3: the INT8 engine")
    made = make_engine(place, INT8, progress)
    if not made.gate.passed:
        progress.line("nothing was changed; the engine that ran goes on")
        progress.line(offer_fp16(arguments.config))
        return 1
    progress.line("step 3 of 3: activation")
    activate(store, made.name)
    progress.line(f"active     {made.name}; the running agent takes it between two parts")
    progress.line(f"undo       calibrate rollback {arguments.config}")
    return 0
