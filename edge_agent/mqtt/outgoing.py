"""What is to be sent beside results: the latest of each retained topic, and a short queue of replies."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MAX_QUEUED = 2000  # replies that wait for the broker; beyond that commands go unanswered
MAX_QUEUED_BYTES = 16_000_000  # of those and of pictures that were asked for


@dataclass(frozen=True)
class Message:
    """One message, not yet sent."""

    topic: str
    payload: str | bytes
    qos: int = 1
    retain: bool = False
    properties: Properties | None = None

    @property
    def size(self) -> int:
        """Bytes on the wire, but for a few: the properties too are as long as whoever commands makes them."""
        payload = self.payload.encode() if isinstance(self.payload, str) else self.payload
        properties = len(self.properties.pack()) if self.properties else 0  # type: ignore[no-untyped-call]
        return len(self.topic.encode()) + len(payload) + properties


class Outgoing:
    """Filled by any thread, emptied by the MQTT thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: dict[str, Message] = {}
        self._unsent: dict[str, None] = {}  # topics, in the order in which they changed
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0

    def set_latest(self, message: Message) -> bool:
        """What a topic says from now on, at each connection again; False if it said so already."""
        with self._lock:
            before = self._latest.get(message.topic)
            if before is not None and before.payload == message.payload:
                return False
            self._latest[message.topic] = message
            self._unsent[message.topic] = None
            return True

    def put_once(self, message: Message) -> None:
        """For this connection alone, and only the newest of its topic: metrics."""
        with self._lock:
            self._latest[message.topic] = message
            self._unsent[message.topic] = None

    def queue(self, message: Message, share: float = 1.0) -> bool:
        """Behind all that waits; False when no room is left for it in this share of the queue.

        One alone has room, however large.
        """
        with self._lock:
            size = self._queued_bytes + message.size
            full = len(self._queue) >= share * MAX_QUEUED or size > share * MAX_QUEUED_BYTES
            if full and self._queue:
                return False
            self._queue.append(message)
            self._queued_bytes = size
            return True

    def connected(self, unretained: str) -> None:
        """A new connection: everything retained is said again, and what was for the old one (this topic) is not."""
        with self._lock:
            self._latest.pop(unretained, None)
            self._unsent = dict.fromkeys(self._latest)

    def take(self) -> Message | None:
        """The next message; replies go before the rest."""
        with self._lock:
            if self._queue:
                message = self._queue.popleft()
                self._queued_bytes -= message.size
                return message
            if not self._unsent:
                return None
            topic = next(iter(self._unsent))
            del self._unsent[topic]
            return self._latest[topic]


def as_json(value: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def picture(topic: str, jpeg: bytes, name: str, expiry_s: int, qos: int) -> Message:
    """A JPEG with its `id` as user property; the broker forgets it when nobody has fetched it in so many seconds."""
    properties = publish_properties(UserProperty=("id", name), ContentType="image/jpeg", MessageExpiryInterval=expiry_s)
    return Message(topic, jpeg, qos=qos, properties=properties)


def publish_properties(**values: Any) -> Properties:
    """MQTT 5 properties of a PUBLISH, such as `ContentType="image/jpeg"`."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
