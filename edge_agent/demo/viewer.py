"""Receives what the agent publishes, as any other subscriber would."""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.errors import BrokerError
from edge_agent.mqtt.topics import Topics

CONNECT_S = 10.0


@dataclass(frozen=True)
class ResultMessage:
    """A result as it arrived: its JSON, and when (UTC)."""

    result: dict[str, Any]
    arrived_at: datetime


@dataclass(frozen=True)
class ThumbnailMessage:
    """JPEG bytes. With MQTT 3.1.1 a thumbnail has no id: it follows the result that it belongs to."""

    jpeg: bytes


Message = ResultMessage | ThumbnailMessage


class Viewer:
    """Subscribes to results and thumbnails of a device; a context manager.

    Attributes:
        messages: what came, in order.
    """

    def __init__(self, host: str, port: int, topics: Topics) -> None:
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._host, self._port, self._topics = host, port, topics
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "matecheck-demo-viewer", protocol=mqtt.MQTTv311)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> Viewer:
        """Connect and subscribe. Raises BrokerError."""
        try:
            self._client.connect(self._host, self._port)
        except OSError as error:
            raise BrokerError(f"cannot be reached ({error})", where=f"{self._host}:{self._port}") from error
        self._client.loop_start()
        if not self._subscribed.wait(CONNECT_S):
            raise BrokerError("does not confirm a subscription", where=f"{self._host}:{self._port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe([(self._topics.result, 1), (self._topics.thumbnail, 0)])

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic == self._topics.result:
            self.messages.put(ResultMessage(json.loads(message.payload), datetime.now(timezone.utc)))
        else:
            self.messages.put(ThumbnailMessage(bytes(message.payload)))
