"""The settings of a training run from a command line: of a new run what was said, of a resumed one its own."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

from build_engine.training.settings import TrainingSettings
from edge_agent.errors import UsageError

Settings = TypeVar("Settings", bound=TrainingSettings)


def run_settings(arguments: argparse.Namespace, kind: type[Settings], file: Path) -> Settings:
    """What the run is to be trained with.

    Options stand in `arguments` under the names of the settings, None where nothing was said. A run that is resumed
    keeps its settings, so that it sees the pairs that it would have seen; its length alone may change.

    Raises:
        ModelError: the checkpoint to resume from is missing or broken.
        UsageError: the run is of another command, or something else is said than it began with.
    """
    names = {field.name for field in fields(kind)} & vars(arguments).keys()
    said = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if not arguments.resume:
        return kind(**said)
    from build_engine.training.checkpoint import Checkpoint

    begun = Checkpoint.load(file).settings
    if type(begun) is not kind:
        raise UsageError("holds a run of another command", where=str(file), mend="name another folder")
    for name, value in sorted(said.items()):
        if name != "iterations" and value != getattr(begun, name):
            option = f"--{name.replace('_', '-')}"
            what = f"{value} is not what the run began with, {getattr(begun, name)}"
            raise UsageError(what, where=option, mend="leave it out, or begin a run in another folder")
    return replace(begun, iterations=said.get("iterations", begun.iterations))
