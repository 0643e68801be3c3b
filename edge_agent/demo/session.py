"""One demo from beginning to end: broker, agent and viewer, each on its own thread, talking over MQTT alone."""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from edge_agent.agent import Agent
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.config import (
    CameraSettings,
    DeviceSettings,
    EngineSettings,
    RecipeSettings,
    ResultsSettings,
    Settings,
    TriggerSettings,
)
from edge_agent.demo.broker import HOST, EmbeddedBroker
from edge_agent.demo.display import Display
from edge_agent.demo.pictures import Pictures
from edge_agent.demo.score import Row, mark, rejected
from edge_agent.demo.viewer import ResultMessage, ThumbnailMessage, Viewer
from edge_agent.inspection.inspection import Verdict
from edge_agent.inspection.recipe import Recipe
from edge_agent.log import to_file
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.topics import Topics

TOPIC = "demo/line1/cell1/matecheck"
SEED = 8  # its first 20 parts carry every kind of object
QUIET_S = 2.0  # what is still on its way when the agent has ended arrives within this
LOOK_S = 0.2
JOIN_S = 30.0


@dataclass(frozen=True)
class Options:
    """What the user chose: see `edge-agent demo --help`."""

    parts: int
    output: Path
    interval_s: float
    connector: str
    model: Path | None


def show(options: Options) -> int:
    """Run the demo to its end, or to Ctrl-C.

    Returns:
        0; 1 when the agent ended before all results had come.

    Raises:
        MatecheckError: the demo cannot start, or the agent gave up.
    """
    camera = SimulatedCamera(options.connector, seed=SEED, parts=options.parts)
    pictures = Pictures(options.output, camera.template(), camera.region())
    log = options.output / "agent.log"
    to_file(log)
    logging.getLogger("amqtt").setLevel(logging.WARNING)
    logging.getLogger("transitions").setLevel(logging.WARNING)  # amqtt's state machine
    with (
        tempfile.TemporaryDirectory(prefix="matecheck-demo-") as scratch,
        EmbeddedBroker() as broker,
        Viewer(HOST, broker.port, Topics(TOPIC)) as viewer,
    ):
        agent = Agent(_settings(options, Path(scratch), camera, broker.port), camera)
        satisfied = _watch(agent, viewer, camera, pictures, options, f"mqtt://{HOST}:{broker.port}/{TOPIC}")
    print(f"pictures: {pictures.folder}/   log: {log}")
    return 0 if satisfied else 1


class _Running:
    """An agent on a thread of its own; a context manager that stops it and waits for it."""

    def __init__(self, agent: Agent) -> None:
        self.failure: Exception | None = None
        self._stop = threading.Event()
        self._agent = agent
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)

    def __enter__(self) -> _Running:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(JOIN_S)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._agent.run(self._stop)
        except Exception as error:  # noqa: BLE001 - raised again on the thread that shows the demo
            self.failure = error


def _watch(
    agent: Agent, viewer: Viewer, camera: SimulatedCamera, pictures: Pictures, options: Options, address: str
) -> bool:
    """Show what arrives. Returns whether all parts came, or the user had seen enough."""
    with Display(f"{camera.name} → agent → {address}", options.parts) as display:
        with _Running(agent) as running:
            try:
                for row in _rows(viewer, camera, pictures, running, options.parts):
                    display.add(row)
            except KeyboardInterrupt:  # what was shown stays; the agent is stopped in order
                return True
        if running.failure:
            raise running.failure
        return len(display.rows) == options.parts


def _rows(viewer: Viewer, camera: SimulatedCamera, pictures: Pictures, running: _Running, parts: int) -> Iterator[Row]:
    """A row for each result that arrives; keeps its pictures on the way."""
    without_thumbnail: deque[Row] = deque()
    count = 0
    patience = time.monotonic() + QUIET_S
    while time.monotonic() < patience and (count < parts or without_thumbnail):
        if not running.ended:
            patience = time.monotonic() + QUIET_S
        try:
            message = viewer.messages.get(timeout=LOOK_S)
        except queue.Empty:
            continue
        if isinstance(message, ThumbnailMessage):
            if without_thumbnail:
                pictures.thumbnail(without_thumbnail.popleft(), message.jpeg)
            continue
        row = _row(message, camera, pictures)
        count += 1
        without_thumbnail.append(row)
        yield row


def _row(message: ResultMessage, camera: SimulatedCamera, pictures: Pictures) -> Row:
    result = message.result
    number = int(result["source"].rpartition(" ")[2])  # "simulated dsub25 part 7"
    image, truth = camera.part(number)
    captured_at = datetime.fromisoformat(result["captured_at"].replace("Z", "+00:00"))
    row = Row(
        part=number,
        truth=truth,
        verdict=Verdict(result["verdict"]),
        mark=mark(truth, result),
        largest_mm=max((component["length_mm"] for component in rejected(result)), default=None),
        latency_ms=(message.arrived_at - captured_at).total_seconds() * 1000,
        note=result["reasons"][0]["text"] if result["verdict"] == "ERROR" else "",
    )
    if row.verdict is not Verdict.OK or not row.mark.right:
        pictures.sheet(row, image, result)
    return row


def _settings(options: Options, scratch: Path, camera: SimulatedCamera, port: int) -> Settings:
    """What an agent.toml would hold, and the recipe that `edge-agent teach` would have made."""
    folder = scratch / "recipe"
    Recipe(
        name=options.connector,
        version="1",
        template=camera.template(),
        region=tuple(camera.region()),
        mm_per_px=camera.mm_per_px,
    ).save(folder)
    return Settings(
        device=DeviceSettings("demo"),
        camera=CameraSettings(kind="simulated", connector=options.connector, seed=SEED, parts=options.parts),
        recipe=RecipeSettings(folder),
        engine=EngineSettings(options.model),
        trigger=TriggerSettings(mode="free-run", interval_s=options.interval_s),
        mqtt=MqttSettings(topic_base=TOPIC, host=HOST, port=port, protocol="3.1.1"),
        results=ResultsSettings(folder=scratch / "results", archive_mb=0),
    )
