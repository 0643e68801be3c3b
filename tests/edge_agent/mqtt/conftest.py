from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.results.outbox import Outbox
from tests.support.broker import Broker

Handler = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto that lets everyone in."""
    running = Broker(tmp_path / "broker").start()
    yield running
    running.stop()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "outbox.db")
    yield opened
    opened.close()


def accept(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"accepted": True, "reason": None, "part_id": arguments["part_id"], "id": "the result's id"}


@pytest.fixture
def publish(outbox: Outbox) -> Iterator[Callable[..., MqttPublisher]]:
    """Starts publishers of the outbox, and stops them at the end."""
    started: list[MqttPublisher] = []

    def start(settings: MqttSettings, on_command: Handler = accept) -> MqttPublisher:
        publisher = MqttPublisher(settings, outbox, on_command, lambda: {"version": "0.1.0"})
        publisher.start()
        started.append(publisher)
        return publisher

    yield start
    for publisher in started:
        publisher.stop()
