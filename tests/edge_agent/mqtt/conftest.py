import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.commands.audit import AuditLog
from edge_agent.commands.command import Command, Request
from edge_agent.commands.dispatcher import Dispatcher
from edge_agent.commands.parsing import text
from edge_agent.mqtt.events import Incoming
from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.results.outbox import Outbox
from tests.edge_agent.mqtt.strict_broker import StrictBroker
from tests.support.broker import Broker

Handler = Callable[[dict[str, Any]], dict[str, Any]]


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


def accept(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"part_id": text(arguments, "part_id", 128), "id": "the result's id"}


class FakeInspect(Command):
    """Does what the test says."""

    name = "inspect"

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def obey(self, request: Request) -> dict[str, Any]:
        return self._handler(request.arguments)


@pytest.fixture
def publish(outbox: Outbox, tmp_path: Path) -> Iterator[Callable[..., MqttPublisher]]:
    """Starts publishers of the outbox, and stops them at the end."""
    started: list[MqttPublisher] = []

    def start(settings: MqttSettings, on_command: Handler = accept) -> MqttPublisher:
        def handle(name: str, message: Incoming) -> None:
            table.handle(name, message)

        publisher = MqttPublisher(settings, outbox, handle, lambda: {"version": "0.1.0"})
        audit = AuditLog(tmp_path / "audit.jsonl", 1_000_000, publisher.publish_audit, lambda: True)
        table = Dispatcher([FakeInspect(on_command)], audit, publisher.reply)
        publisher.start()
        started.append(publisher)
        return publisher

    yield start
    for publisher in started:
        publisher.stop()


@pytest.fixture
def strict() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), StrictBroker) as server:
        server.daemon_threads = True
        server.connack, server.answer, server.results, server.most = b"", 0, [], 0  # type: ignore[attr-defined]
        server.permits = None  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
