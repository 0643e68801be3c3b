"""edge-agent check-config: everything that is wrong with an agent.toml and with the files that it names."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.errors import MatecheckError

if TYPE_CHECKING:
    from edge_agent.config import Settings
    from edge_agent.config_reader import TomlFile

DESCRIPTION = """\
Check CONFIG without starting anything: keys, values, and whether recipe, model,
camera source, password and certificates are there and can be read.
Each error is one line: file, line, key, value, and what mends it.
"""
EPILOG = "exit codes:\n  0  all is right\n  2  something is wrong\n"


def add_parser(subparsers: Any) -> None:
    """Add `check-config` to edge-agent."""
    parser = subparsers.add_parser(
        "check-config",
        help="check an agent.toml",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config", metavar="CONFIG", type=Path, help="agent.toml; docs/agent.example.toml shows all keys"
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong on stderr, or what the agent would do on stdout."""
    from edge_agent.config import read
    from edge_agent.config_reader import ConfigProblems

    try:
        settings, file = read(arguments.config)
        summary = [*_look_at_files(settings, file)]
        file.raise_problems()
    except ConfigProblems as problems:
        for line in problems.lines:
            print(line, file=sys.stderr)
        count = len(problems.lines)
        print(f"{arguments.config}: {count} error{'s' if count > 1 else ''}", file=sys.stderr)
        return 2
    print(f"{arguments.config}: no errors")
    for subject, text in summary:
        print(f"  {subject:<8} {text}")
    return 0


def _look_at_files(settings: Settings, file: TomlFile) -> Iterator[tuple[str, str]]:
    """Note what is wrong with the files; yield what was found, subject and text."""
    from edge_agent.cameras import open_camera
    from edge_agent.engines.source import EngineSource
    from edge_agent.inspection.recipe import Recipe
    from edge_agent.mqtt.credentials import AccessError, read_password, tls_context

    camera, trigger, mqtt = settings.camera, settings.trigger, settings.mqtt
    yield "device", settings.device.name
    with _noted(file, "camera.source" if camera.source else "camera.kind"):
        if camera.source_is_path and not os.path.exists(camera.source):  # noqa: PTH110 - never an error
            raise MatecheckError("there is no such file or folder", where=camera.source, mend="mend the path")
        yield "camera", open_camera(settings).name
    every = f", every {trigger.interval_s:g} s" if trigger.mode == "free-run" else ""
    yield "trigger", trigger.mode + every
    with _noted(file, "recipe.folder"):
        recipe = Recipe.load(settings.recipe.folder)
        yield "recipe", f"{recipe.name}, version {recipe.version}"
    with _noted(file, "engine.model"):
        wanted = settings.engine
        engine = EngineSource(wanted.model, wanted.backend, wanted.inference_threads, wanted.store).load()
        text = f"{engine.info.network} {engine.info.version} on {engine.backend}, {engine.info.precision}"
        yield "engine", f"{text} ({engine.degraded})" if engine.degraded else text
        engine.close()
    with _noted(file, "mqtt.password_file"):
        read_password(mqtt.password_file)
    if mqtt.uses_tls:
        try:
            tls_context(mqtt)
        except AccessError as error:
            keys = {str(mqtt.cert_file): "mqtt.cert_file", str(mqtt.key_file): "mqtt.key_file"}
            with _noted(file, keys.get(error.where, "mqtt.ca_file")):
                raise
    exposed = "; NOT ENCRYPTED, anybody on the network can read the password: give ca_file"
    yield "mqtt", f"{mqtt.address}, topics below {mqtt.topic_base}{exposed if mqtt.exposes_password else ''}"
    with _noted(file, "results.folder"):
        yield "results", str(_writable(settings.results.folder))


def _writable(folder: Path) -> Path:
    """The folder, if this user can write into it or make it."""
    there = next(place for place in (folder, *folder.parents) if os.path.exists(place))  # noqa: PTH110 - never an error
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise MatecheckError("this user cannot write there", where=str(there), mend="mend the path or its permissions")
    return folder


@contextmanager
def _noted(file: TomlFile, key: str) -> Iterator[None]:
    """Note an error on the line of the key that names the thing."""
    try:
        yield
    except MatecheckError as error:
        what = f"{error.where}: {error.what}" if error.where else error.what
        file.note(key, f"{key.partition('.')[2]}: {what}", error.mend)
