"""edge-agent demo: the whole product on one machine, nothing to set up."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from edge_agent.errors import UsageError

DESCRIPTION = """\
Run the real agent on a simulated camera, with a broker inside this process, and show its results
as they arrive over MQTT, each beside what really lies on the part. Ends by itself, or on Ctrl-C.
"""
EPILOG = """\
exit codes:
  0  all parts were shown, right or wrong, or Ctrl-C ended it
  1  the agent ended before all its results had come
  2  the demo cannot start
"""


def add_parser(subparsers: Any) -> None:
    """Add `demo` to edge-agent."""
    parser = subparsers.add_parser(
        "demo",
        help="watch the agent at work on a simulated camera",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", type=int, default=20, metavar="N", help="how many parts (default: 20)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="where the pictures go (default: demo-output)",
    )
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="S", help="seconds from part to part (default: 1)"
    )
    parser.add_argument(
        "--connector",
        default="dsub25",
        metavar="NAME",
        help="dsub9, dsub15, dsub25, circular19 or circular37, with -pins for the other half (default: dsub25)",
    )
    parser.add_argument("--model", type=Path, metavar="ONNX", help="another model than the one shipped")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the demo. Raises MatecheckError when something is missing or wrong."""
    missing = [package for package in ("amqtt", "rich") if importlib.util.find_spec(package) is None]
    if missing:
        raise UsageError(f"the demo needs {' and '.join(missing)}", mend='pip install "matecheck[demo]"')
    if arguments.parts < 1:
        raise UsageError(f"--parts must be 1 or more, but got {arguments.parts}")
    if not 0 <= arguments.interval <= 3600:
        raise UsageError(f"--interval must be 0 to 3600 seconds, but got {arguments.interval:g}")
    from edge_agent.demo.session import Options, show

    return show(
        Options(
            parts=arguments.parts,
            output=arguments.output,
            interval_s=arguments.interval,
            connector=arguments.connector,
            model=arguments.model,
        )
    )
