"""What the long runs share: a quick agent, and a subscriber that keeps what it needs and no more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import paho.mqtt.client as paho
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.engines import ModelInfo, load_engine
from edge_agent.inspection.recipe import Limits, Recipe
from tests.support.agent import BASE, AgentFolder, picture
from tests.support.broker import Broker
from tests.support.models import write_difference_model

SESSION_S = 24 * 3600
SMALL_REGION = ((15.0, 15.0), (145.0, 15.0), (145.0, 105.0), (15.0, 105.0))
IN_FLIGHT = 12  # triggers that the line has under way


def quick_agent(folder: Path, port: int, **sections: dict[str, Any]) -> Path:
    """agent.toml for a network that subtracts and pictures of 400 x 300; returns its path."""
    folder.mkdir(parents=True)
    agent = AgentFolder(folder, port)
    agent.write_parts([False, True])
    sections["results"] = {"thumbnail_width_px": 0, "archive_mb": 0} | sections.get("results", {})
    return agent.write_config(**sections)


def quicker_agent(folder: Path, port: int, **sections: dict[str, Any]) -> Path:
    """The same with pictures of 160 x 120; eight of them, two with an object."""
    (folder / "parts").mkdir(parents=True)
    recipe = Recipe("made-up", "1", small_part(0), SMALL_REGION, 0.05, Limits(min_length_px=8), scales=(1.0,))
    agent = AgentFolder(folder, port, recipe)
    write_difference_model(folder / "difference.onnx", height=96, width=136, gain=5.0)
    for number in range(8):
        cv2.imwrite(str(agent.parts / f"part_{number}.png"), small_part(number + 1, sliver=number % 4 == 3))
    sections["results"] = {"thumbnail_width_px": 0, "archive_mb": 0} | sections.get("results", {})
    return agent.write_config(**sections)


def small_part(number: int, sliver: bool = False) -> NDArray[np.uint8]:
    """The made-up part of the tests at 40 % of its size; BGR uint8 [120, 160, 3]."""
    return np.asarray(cv2.resize(picture(number, sliver), (160, 120), interpolation=cv2.INTER_AREA), np.uint8)


def model_of(config: Path) -> ModelInfo:
    """Of the network that the quick agent runs."""
    engine = load_engine(config.with_name("difference.onnx"), threads=1)
    engine.close()
    return engine.info


class Line:
    """A PLC and a SCADA system in one: triggers, and remembers every reply and result. Use it in a `with` block.

    Attributes:
        accepted: ids promised by replies, with the part.
        results: id -> the different payloads that came with it.
        seqs: of all results, in the order of arrival.
        received: how many result messages came.
    """

    def __init__(self, port: int) -> None:
        self.accepted: dict[str, str] = {}
        self.refused: list[str] = []
        self.results: dict[str, set[str]] = {}
        self.seqs: list[int] = []
        self.received = 0
        self.published = 0
        self._open: set[str] = set()
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="line", protocol=paho.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"{BASE}/result", 1), (f"{BASE}/reply/inspect", 1)]
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)

    def __enter__(self) -> Line:
        self._client.loop_start()
        assert self._subscribed.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def trigger(self) -> None:
        """The next part."""
        self.published += 1
        payload = json.dumps({"part_id": f"part {self.published}", "trigger_id": f"t{self.published}"})
        self._client.publish(f"{BASE}/command/inspect", payload, qos=1)

    @property
    def answered(self) -> int:
        """Triggers that were replied to."""
        return len(self.accepted) + len(self.refused)

    def open_triggers(self) -> int:
        """Accepted and without a result."""
        return len(self._open)

    def wait(self, what: Callable[[], object], timeout_s: float) -> bool:
        """Wait until `what` is true of what came; False if it is not in that time."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while not what():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 0.1))
        return True

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        said = json.loads(message.payload)
        with self._changed:
            if message.topic.endswith("/result"):
                self.received += 1
                self._open.discard(said["id"])
                self.results.setdefault(said["id"], set()).add(message.payload.decode())
                self.seqs.append(said["seq"])
            elif said["accepted"]:
                self.accepted[said["id"]] = said["part_id"]
                if said["id"] not in self.results:
                    self._open.add(said["id"])
            else:
                self.refused.append(said["code"])
            self._changed.notify_all()


def verdict_of(payload: str) -> str:
    """OK, NG, or ERROR with its code."""
    result = json.loads(payload)
    return result["verdict"] if result["verdict"] != "ERROR" else f"ERROR {result['reasons'][0]['code']}"


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6


def files_of(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


__all__ = [
    "BASE",
    "IN_FLIGHT",
    "Broker",
    "Line",
    "files_of",
    "model_of",
    "quick_agent",
    "quicker_agent",
    "resident_mb",
    "small_part",
    "verdict_of",
]
