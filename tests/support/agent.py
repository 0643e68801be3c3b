"""A real agent process on a made-up part, quick enough for tests: small pictures, a network that subtracts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.inspection.recipe import Limits, Recipe
from tests.support.listener import PATIENCE_S, Listener
from tests.support.models import write_difference_model

BASE = "plant1/line3/jetson-07"
WIDTH, HEIGHT = 400, 300
REGION = ((60.0, 50.0), (340.0, 50.0), (340.0, 250.0), (60.0, 250.0))


def picture(number: int = 0, sliver: bool = False) -> NDArray[np.uint8]:
    """A part seen from above: dark shell, two rows of bright contacts, noise of its own; BGR uint8 [300, 400, 3]."""
    image = np.full((HEIGHT, WIDTH, 3), (60, 55, 50), np.uint8)
    cv2.rectangle(image, (50, 40), (350, 260), (150, 155, 160), -1)
    cv2.rectangle(image, (70, 60), (330, 240), (40, 38, 36), -1)
    for column in range(8):
        for row, y in enumerate((110, 190)):
            cv2.circle(image, (95 + 30 * column + 12 * row, y), 8, (120, 170, 190), -1, cv2.LINE_AA)
    if sliver:
        cv2.line(image, (150, 140), (200, 160), (235, 235, 235), 5, cv2.LINE_AA)
    noise = np.random.default_rng(number).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


MADE_UP = Recipe("made-up", "3", picture(12345), REGION, 0.05, Limits(min_length_px=12), scales=(1.0,))


@dataclass
class AgentFolder:
    """Everything one agent needs, in one folder: recipe, model, agent.toml.

    Attributes:
        port: of the broker.
        recipe: of the part that is inspected.
        gain: of the model that subtracts.
    """

    folder: Path
    port: int
    recipe: Recipe = MADE_UP
    gain: float = 5.0

    def __post_init__(self) -> None:
        self.recipe.save(self.folder / "recipe")
        write_difference_model(self.folder / "difference.onnx", height=256, width=320, gain=self.gain)

    @property
    def parts(self) -> Path:
        """Where the folder camera looks."""
        return self.folder / "parts"

    def write_parts(self, slivers: Sequence[bool]) -> None:
        """One picture a part, with a sliver or without."""
        self.parts.mkdir(exist_ok=True)
        for number, sliver in enumerate(slivers):
            cv2.imwrite(str(self.parts / f"part_{number:03d}.png"), picture(number, sliver))

    def write_config(self, **sections: dict[str, Any]) -> Path:
        """agent.toml for a folder camera in command mode, with these changes."""
        tables: dict[str, dict[str, Any]] = {
            "device": {"name": "jetson-07"},
            "camera": {"kind": "folder", "source": "parts", "loop": True},
            "recipe": {"folder": "recipe"},
            "engine": {"model": "difference.onnx", "threads": 1},
            "trigger": {"mode": "command", "deadline_s": 60.0},
            "mqtt": {
                "topic_base": BASE,
                "host": "127.0.0.1",
                "port": self.port,
                "reconnect_min_s": 0.1,
                "reconnect_max_s": 0.5,
            },
            "results": {"folder": "results"},
        }
        for name, changes in sections.items():
            tables[name] = {key: value for key, value in (tables.get(name, {}) | changes).items() if value is not None}
        path = self.folder / "agent.toml"
        path.write_text("\n".join(f"[{name}]\n{_lines(table)}" for name, table in tables.items()), encoding="utf-8")
        return path


class AgentProcess:
    """`edge-agent run` in a process of its own. Use it in a `with` block.

    Args:
        config: agent.toml.
        program: a module, and what it takes before `run`.
    """

    def __init__(self, config: Path, program: Sequence[str] = ("edge_agent.cli.main",)) -> None:
        self.log_path = config.with_name("agent.log")
        command = [sys.executable, "-m", *program, "run", str(config)]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})

    def __enter__(self) -> AgentProcess:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.log_path.read_text(encoding="utf-8")

    def wait_for_log(self, text: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the log holds this text."""
        end = time.monotonic() + timeout_s
        while text not in self.log:
            assert self.process.poll() is None, f"the agent ended: {self.log}"
            assert time.monotonic() < end, f"waited {timeout_s} s in vain for {text!r} in\n{self.log}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(timeout_s)


def trigger(listener: Listener, part_id: str) -> None:
    """What a PLC sends for each part."""
    listener.client.publish(f"{BASE}/command/inspect", json.dumps({"part_id": part_id}), qos=1)


def in_turn(listener: Listener, part_ids: list[str], timeout: float = PATIENCE_S) -> None:
    """One trigger after the other, as a PLC does it: the next part comes when the last has its result."""
    for part_id in part_ids:
        before = len(listener.on("/result"))
        trigger(listener, part_id)
        listener.wait(lambda before=before: len(listener.on("/result")) > before, timeout)  # type: ignore[misc]


def _lines(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, (str, Path)) else str(value)
