"""An MQTT client that remembers what it hears: the SCADA system of our tests."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_S = 90.0  # a busy machine: what comes at all comes within this; only a failing test waits so long


def wait_for(what: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until `what` is true of what is not heard, but seen."""
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, f"waited {timeout_s} s in vain"
        time.sleep(0.02)


class Listener:
    """Subscribes to everything with a session that survives the broker's restart. Use it in a `with` block."""

    def __init__(self, port: int, protocol: str = "5", topic_filter: str = "#", **login: str) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._v5 = protocol == "5"
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id="listener",
            protocol=paho.MQTTv5 if self._v5 else paho.MQTTv311,
            clean_session=None if self._v5 else False,
        )
        if login:
            self.client.username_pw_set(**login)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe(topic_filter, qos=1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 3600
            self.client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        else:
            self.client.connect("127.0.0.1", port)

    def __enter__(self) -> Listener:
        self.client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def on(self, end: str) -> list[paho.MQTTMessage]:
        """What came on topics that end so."""
        return [message for message in list(self.messages) if message.topic.endswith(end)]

    def json_on(self, end: str) -> list[dict[str, Any]]:
        """The same, decoded."""
        return [json.loads(message.payload) for message in self.on(end)]

    def wait(self, what: Callable[[], object], timeout: float = PATIENCE_S) -> None:
        """Wait until `what` is true of what came. It may look at the last message of a topic: none is not true."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not _holds(what):
                left = deadline - time.monotonic()
                assert left > 0, f"waited {timeout} s in vain; heard {[m.topic for m in self.messages[-20:]]}"
                self._changed.wait(min(left, 0.2))

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()


def _holds(what: Callable[[], object]) -> bool:
    try:
        return bool(what())
    except IndexError:
        return False
