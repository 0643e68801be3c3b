"""Everything that strangers may write and we parse, one function each: any bytes in, nothing but MatecheckError out.

For hypothesis in the tests, and for atheris in `benchmarks/fuzzing.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
from installer import provision
from installer.errors import InstallError
from installer.layout import Layout

from calibration.pair_set import PairSet
from edge_agent import config
from edge_agent.cameras.camera import Frame
from edge_agent.commands.acknowledge import Acknowledge
from edge_agent.commands.audit import AuditLog
from edge_agent.commands.dispatcher import Dispatcher
from edge_agent.commands.inspect import Inspect
from edge_agent.commands.parsing import only, optional_number, optional_text, parse_payload, text, whole_number
from edge_agent.commands.pause import Pause, Resume
from edge_agent.commands.replay import Replay
from edge_agent.commands.snapshot import Snapshot
from edge_agent.engines.manifest import MANIFEST, Manifest
from edge_agent.errors import CommandError, MatecheckError
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Reason
from edge_agent.inspection.recipe import SETTINGS, TEMPLATE, Recipe
from edge_agent.mqtt.events import Incoming
from edge_agent.mqtt.topics import Topics
from edge_agent.pipeline.triggers import TriggerQueue
from edge_agent.results.outbox import Outbox

BASE = "plant1/line3/jetson-07"
EXAMPLE = Path(__file__).parents[2] / "docs/agent.example.toml"
RECIPE = """\
name = "x2"
version = "1"
mm_per_px = 0.0125
scales = [1.0, 0.5]
region = [[4, 4], [60, 4], [60, 60.5]]
[limits]
threshold = 0.5
min_length_mm = 0.1
min_length_px = 4.0
"""
MANIFEST_JSON: dict[str, object] = {
    "schema": "matecheck/engine/1",
    "model_sha256": "0" * 64,
    "plan_sha256": "1" * 64,
    "precision": "int8",
    "network": "compact",
    "version": "1",
    "tile": [480, 640],
    "batch": [1, 4, 8],
    "tensorrt": "10.3.0",
    "cuda": "12.6",
    "driver": None,
    "device": "Orin",
    "compute_capability": "8.7",
    "builder": {"level": 3},
    "calibration": {"digest": "2" * 64, "pairs": 40, "method": "minmax"},
    "gate": {"passed": True, "text": "agrees", "figures": {"f1": 0.98}},
    "made_at": "2026-11-22T18:00:00+00:00",
}
COMMANDS = (
    ("inspect", b'{"part_id": "4711", "trigger_id": "t-1", "expires_at": "2026-11-22T19:00:00+01:00"}'),
    ("acknowledge", b'{"id": "01a2044e-c265-7bb1-8e8c-b4b6788a16cd"}'),
    ("replay", b'{"from_seq": 1, "to_seq": 20}'),
    ("pause", b"{}"),
    ("resume", b""),
    ("snapshot", b'{"width_px": 640}'),
)


@dataclass(frozen=True)
class Target:
    """A parser and what it takes for good.

    Attributes:
        run: called with any bytes. What it raises is a finding.
        seeds: to begin with.
        share: of all executions, in the benchmark.
    """

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    share: float


def targets(place: Path) -> dict[str, Target]:
    """All of them; files are written below `place`, a folder that is there."""
    example = EXAMPLE.read_bytes()
    png, jpeg = _picture(".png"), _picture(".jpg")
    pair = {"id": "00000000", "recipe": "x2", "has_object": False, "brightness": 90.0, "shift": [0.5, 1.0]}
    return {
        "payload": Target(_payload, tuple(payload for _, payload in COMMANDS), 0.44),
        "command": Target(_command(place), tuple(f"{n}\n".encode() + p for n, p in COMMANDS), 0.02),
        "topic": Target(_topic, (f"{BASE}/command/inspect".encode(), b"plant1/#"), 0.41),
        "config": Target(_file(place / "agent.toml", config.read), (example, example[:600]), 0.01),
        "recipe": Target(_recipe(place / "recipe"), (RECIPE.encode(),), 0.02),
        "manifest": Target(
            _file(place / MANIFEST, lambda path: Manifest.read(path.parent)),
            (json.dumps(MANIFEST_JSON).encode(),),
            0.04,
        ),
        "pair": Target(_pair(place / "pairs"), (json.dumps(pair).encode(),), 0.04),
        "image": Target(_file(place / "picture", read_image), (png, jpeg, png[:40], jpeg[:60]), 0.015),
        "provisioning": Target(_provisioning(place), (example,), 0.005),
    }


def _payload(data: bytes) -> None:
    """What every command does with its payload."""
    with suppress(CommandError):
        arguments = parse_payload(data, retained=False)
        for key in [*arguments][:2]:
            for look in (
                lambda key: text(arguments, key, 128),
                lambda key: optional_text(arguments, key, 64),
                lambda key: whole_number(arguments, key, 1),
                lambda key: optional_number(arguments, key, 0, 1000),
            ):
                with suppress(CommandError):
                    look(key)
        only(arguments, "part_id")


def _must_be_json(entry: dict[str, object]) -> None:
    json.dumps(entry, allow_nan=False)


def _command(place: Path) -> Callable[[bytes], None]:
    """First line: the name of the command; the rest: its payload. Whatever comes is answered once, in JSON."""
    outbox = Outbox(place / "outbox.sqlite")
    triggers = TriggerQueue(4, 5.0)
    for _ in range(5):  # full: no trigger is taken, so that nothing is written a million times
        triggers.refuse(Reason("fuzzing", "none is taken"), "fuzzing")
    picture = np.zeros((32, 32, 3), np.uint8)
    answers: list[dict[str, object]] = []
    dispatcher = Dispatcher(
        [
            Inspect(triggers, False, lambda: True),
            Acknowledge(outbox, triggers),
            Replay(outbox, lambda _first, _last: True),
            Pause(triggers),
            Resume(triggers),
            Snapshot(lambda: Frame(picture, datetime.now(timezone.utc), 0, 0), lambda _jpeg, _id: True),
        ],
        AuditLog(place / "audit.jsonl", 1 << 16, _must_be_json, lambda: True),
        lambda _name, _message, answer: answers.append(answer),
    )

    def run(data: bytes) -> None:
        name, _, payload = data.partition(b"\n")
        answers.clear()
        message = Incoming(f"{BASE}/command/x", payload, data[:1] == b"r", expires_in_s=1.0)
        dispatcher.handle(name.decode("utf-8", "replace"), message)
        if not answers:
            dispatcher.step()
        (answer,) = answers
        json.dumps(answer, allow_nan=False).encode()
        assert answer.get("code") != "internal", answer

    return run


def _topic(data: bytes) -> None:
    topic = data.decode("utf-8", "surrogateescape")
    with suppress(MatecheckError):
        topics = Topics(topic)
        assert topics.command_name(f"{topic}/command/inspect") == "inspect"
        topics.command_filter.encode()
    name = Topics(BASE).command_name(topic)
    assert name is None or topic == f"{BASE}/command/{name}"


def _file(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    path.parent.mkdir(parents=True, exist_ok=True)

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(MatecheckError):
            read(path)

    return run


def _recipe(folder: Path) -> Callable[[bytes], None]:
    folder.mkdir()
    (folder / TEMPLATE).write_bytes(_picture(".png"))
    return _file(folder / SETTINGS, lambda path: Recipe.load(path.parent))


def _pair(folder: Path) -> Callable[[bytes], None]:
    folder.mkdir()
    (folder / "00000000.png").touch()
    return _file(folder / "00000000.json", lambda path: PairSet(path.parent).entries)


def _provisioning(place: Path) -> Callable[[bytes], None]:
    path = place / "unit.toml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(InstallError):
            provision.read(path, Layout(), place)

    return run


def _picture(suffix: str) -> bytes:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return bytes(cv2.imencode(suffix, image)[1].tobytes())
