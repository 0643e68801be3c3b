"""calibrate rollback: back to the engine before."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Go back to the engine that was active before, or to the model of agent.toml if there was none. Nothing
is built; the running agent changes over between two parts. A second call undoes the first.
"""


def add_parser(subparsers: Any) -> None:
    """Add `rollback` to calibrate."""
    parser = subparsers.add_parser("rollback", help="go back to the engine before", description=DESCRIPTION)
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Change the link, and say what is active now."""
    from calibration.place import Place
    from edge_agent.config import load

    place = Place.of(load(arguments.config))
    name = place.store.rollback()
    shown = name or f"the model of agent.toml ({place.model.name})"
    print(f"active     {shown}; the running agent takes it between two parts")
    print(f"undo       calibrate rollback {arguments.config}")
    return 0
