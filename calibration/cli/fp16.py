"""calibrate fp16: an FP16 engine, judged against FP32."""

from __future__ import annotations

from typing import Any

from calibration.cli.engine_command import add_command

DESCRIPTION = """\
Make an FP16 engine: no ranges, no calibration, faster than FP32 and nearly as exact. The pictures of
`calibrate collect` are needed all the same, to compare it with FP32. For a line on which INT8 did not
pass. The engine that runs is not touched: `calibrate activate` takes the new one.
"""


def add_parser(subparsers: Any) -> None:
    """Add `fp16` to calibrate."""
    summary = "make an FP16 engine, where INT8 does not pass"
    add_command(subparsers, "fp16", summary=summary, description=DESCRIPTION)
