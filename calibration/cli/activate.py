"""calibrate activate: let the agent take an engine that passed the gate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Let the agent take an engine that passed the gate. The running agent loads it beside the old one and
changes over between two parts; no trigger is lost. If it cannot be loaded the old one goes on, and the
agent's status says why. `calibrate rollback` goes back without building anything.
"""


def add_parser(subparsers: Any) -> None:
    """Add `activate` to calibrate."""
    parser = subparsers.add_parser("activate", help="let the agent take a new engine", description=DESCRIPTION)
    parser.add_argument("config", metavar="CONFIG", type=Path, help="agent.toml")
    parser.add_argument("name", metavar="ENGINE", nargs="?", help="its name; default: the new one that passed the gate")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Change the link, and say what is active now."""
    from calibration.activation import activate, choose
    from calibration.place import Place
    from edge_agent.config import load

    store = Place.of(load(arguments.config)).store
    name = arguments.name or choose(store)
    before = store.current()
    manifest = activate(store, name)
    print(f"active     {name}, {manifest.precision}; the running agent takes it between two parts")
    if before is not None and before.name != name:
        print(f"before     {before.name}; calibrate rollback {arguments.config} goes back to it")
    elif before is None:
        print(f"before     the model of agent.toml; calibrate rollback {arguments.config} goes back to it")
    return 0
