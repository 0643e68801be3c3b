"""calibrate int8: an INT8 engine from the collected pictures, judged against FP32."""

from __future__ import annotations

from typing import Any

from calibration.cli.engine_command import add_command

DESCRIPTION = """\
Make an INT8 engine from the pictures that `calibrate collect` took: find the ranges of the network's
layers, write the INT8 model, compile it for this device, and compare it with FP32 on the quarter of
the pictures that was kept aside. The engine that runs is not touched: `calibrate activate` takes the
new one. Killed or interrupted, the next call goes on where it was.
"""


def add_parser(subparsers: Any) -> None:
    """Add `int8` to calibrate."""
    summary = "make an INT8 engine from the collected pictures"
    add_command(subparsers, "int8", summary=summary, description=DESCRIPTION)
