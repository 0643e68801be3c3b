"""The thread that talks to the broker: results out of the outbox, status, commands in."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.backoff import Backoff
from edge_agent.errors import BrokerError, MatecheckError, StorageError
from edge_agent.mqtt.commands import parse_command
from edge_agent.mqtt.connection import (
    Acknowledged,
    Connection,
    Event,
    Incoming,
    ProtocolVersionError,
    Will,
)
from edge_agent.mqtt.credentials import AccessError
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.topics import Topics
from edge_agent.results.outbox import Outbox

log = logging.getLogger(__name__)

IDLE_S = 1.0  # how long the thread sleeps when nothing happens; bounds how late a keep-alive is
SETTLED_S = 10.0  # a connection that lasted as long was a good one
ACKNOWLEDGE_TIMEOUT_S = 60.0  # a broker that answers pings, but no result, gets a new connection
GOODBYE_S = 2.0  # how long stop waits for the broker to take "stopped"
RESERVED_RECEIVES = 8  # of the broker's receive maximum, for status, info and replies


class MqttPublisher:
    """Sends what the outbox holds, strictly in order of seq, for ever; answers commands.

    Nothing here blocks the caller, but `drain` and `stop`. Broker away, refusing or misconfigured: the log says so
    once, the results wait on disk, and the thread tries again.

    Delivery is at least once: a result whose acknowledgement got lost with the connection is sent again, with the
    same id and seq.

    Args:
        outbox: where results are read from; a row is deleted when the broker has acknowledged it.
        on_command: called with name and checked arguments, on the MQTT thread: it must return soon. It returns the
            reply: `accepted` (bool), `reason` (text or None) and what else the sender should know. A MatecheckError
            that it raises is a refusal.
        device_info: makes what is published, retained, on `info` at each connection, and when it has changed.
    """

    def __init__(
        self,
        settings: MqttSettings,
        outbox: Outbox,
        on_command: Callable[[str, dict[str, Any]], dict[str, Any]],
        device_info: Callable[[], dict[str, Any]],
    ) -> None:
        self._settings, self._outbox = settings, outbox
        self._on_command, self._device_info = on_command, device_info
        self._topics = Topics(settings.topic_base)
        self._backoff = Backoff(settings.reconnect_min_s, settings.reconnect_max_s)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._stopping = threading.Event()
        self._connected = threading.Event()
        self._said: set[str] = set()
        # written by other threads, under the lock
        self._lock = threading.Lock()
        self._progress = threading.Condition(self._lock)
        self._status: dict[str, Any] = {"state": "online", "why": ""}
        self._stopped_why = ""
        self._status_is_new = False
        self._info_is_new = False
        self._metrics: dict[str, Any] | None = None
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        # of the current connection
        self._sent: dict[int, int] = {}  # message number -> seq
        self._last_sent = 0
        self._moved_at = 0.0

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection stands."""
        return self._connected.is_set()

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def wake(self) -> None:
        """A new result is in the outbox."""
        with suppress(OSError):  # full: enough wake-ups wait already; closed: nobody listens any more
            self._wake_sender.send(b"w")

    def set_status(self, status: Mapping[str, Any]) -> None:
        """Say this, retained; now, or at the next connection. It holds `state`, `why` and what else is known."""
        with self._lock:
            self._status_is_new |= status != self._status
            self._status = dict(status)
        self.wake()

    def renew_info(self) -> None:
        """Publish `info` again: it has changed. At each connection that is done anyway."""
        with self._lock:
            self._info_is_new = True
        self.wake()

    def publish_metrics(self, metrics: dict[str, Any]) -> None:
        """Send these numbers if the broker is there, else forget them."""
        if self.connected:
            with self._lock:
                self._metrics = metrics
            self.wake()

    def drain(self, timeout: float) -> bool:
        """Wait until the broker has every result; False when `timeout` seconds were not enough."""
        with self._progress:
            return self._progress.wait_for(lambda: self._outbox.count() == 0, timeout)

    def stop(self, why: str = "") -> None:
        """Say "stopped", retained, disconnect, and end the thread. Results that wait stay in the outbox."""
        self._stopped_why = why
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(GOODBYE_S + 2 * IDLE_S)
        self._wake_sender.close()
        if not self._thread.is_alive():  # else it is stuck in an attempt to connect, and still looks at it
            self._wake_receiver.close()

    # From here on: the MQTT thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self._attempt()
            self._stopping.wait(pause)

    def _attempt(self) -> float:
        """One connection, from beginning to end; returns how long to wait before the next."""
        try:
            self._serve_in_either_protocol()
        except (AccessError, ProtocolVersionError) as error:
            pause = self._backoff.longest()
            self._complain(error, pause)
        except BrokerError as error:
            pause = self._backoff.pause()
            self._complain(error, pause)
        except Exception:  # a bug must not end the reporting of results
            pause = self._backoff.longest()
            log.exception("mqtt failed retry_s=%.0f", pause)
        else:
            pause = 0.0
        return pause

    def _serve_in_either_protocol(self) -> None:
        if self._settings.protocol != "5":
            self._serve(self._settings.protocol)
            return
        try:
            self._serve("5")
        except ProtocolVersionError as error:
            self._warn(error.what, f"mqtt {error}; trying MQTT 3.1.1")
            self._serve("3.1.1")

    def _serve(self, protocol: str) -> None:
        will = Will(self._topics.status, _json({"state": "offline", "why": "the connection broke"}))
        connection = Connection(self._settings, protocol, will, self._wake_receiver)
        began = time.monotonic()
        try:
            log.info("mqtt connected broker=%s protocol=%s", self._settings.address, protocol)
            self._greet(connection)
            while not self._stopping.is_set():
                self._send(connection)
                self._handle(connection, connection.pump(IDLE_S))
            self._say_goodbye(connection)
        finally:
            self._connected.clear()
            connection.abort()
            if time.monotonic() - began >= SETTLED_S:
                self._backoff.reset()

    def _greet(self, connection: Connection) -> None:
        self._said.clear()
        self._sent.clear()
        self._last_sent = 0
        with self._lock:
            self._status_is_new, self._info_is_new = True, False
        connection.subscribe(self._topics.command_filter)
        connection.publish(self._topics.info, _json(self._device_info()), qos=1, retain=True)
        self._connected.set()

    def _say_goodbye(self, connection: Connection) -> None:
        number = connection.publish(
            self._topics.status, _json({"state": "stopped", "why": self._stopped_why}), qos=1, retain=True
        )
        deadline = time.monotonic() + GOODBYE_S
        while (left := deadline - time.monotonic()) > 0:
            events = connection.pump(left)
            self._handle(connection, [event for event in events if isinstance(event, Acknowledged)])
            if any(isinstance(event, Acknowledged) and event.mid == number for event in events):
                break
        connection.close()
        log.info("mqtt disconnected broker=%s", self._settings.address)

    def _send(self, connection: Connection) -> None:
        """What is new: status, metrics, and as many results as may be in flight."""
        with self._lock:
            status = self._status if self._status_is_new else None
            metrics, self._metrics = self._metrics, None
            info_is_new, self._info_is_new = self._info_is_new, False
            self._status_is_new = False
        if info_is_new:
            connection.publish(self._topics.info, _json(self._device_info()), qos=1, retain=True)
        if status is not None:
            connection.publish(self._topics.status, _json(status), qos=1, retain=True)
        if metrics is not None:
            connection.publish(self._topics.metrics, _json(metrics), qos=0)
        in_flight = min(self._settings.in_flight, max(1, connection.receive_maximum - RESERVED_RECEIVES))
        try:
            rows = self._outbox.waiting(in_flight - len(self._sent), after=self._last_sent)
        except StorageError as error:
            self._complain(error, IDLE_S)
            return
        if not self._sent:
            self._moved_at = time.monotonic()
        elif time.monotonic() - self._moved_at > ACKNOWLEDGE_TIMEOUT_S:
            raise BrokerError("the broker does not acknowledge results", where=self._settings.address)
        for row in rows:
            number = connection.publish(self._topics.result, row.payload, qos=1)
            self._sent[number] = self._last_sent = row.seq
            if row.thumbnail is not None:
                properties = _publish_properties(UserProperty=("id", row.id), ContentType="image/jpeg")
                connection.publish(self._topics.thumbnail, row.thumbnail, qos=0, properties=properties)

    def _handle(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Incoming):
                self._answer(connection, event)
            elif isinstance(event, Acknowledged):
                self._acknowledge(event)
            elif event.refusal:
                log.error("mqtt commands will not arrive: the broker refuses the subscription (%s)", event.refusal)

    def _acknowledge(self, event: Acknowledged) -> None:
        self._moved_at = time.monotonic()
        seq = self._sent.pop(event.mid, None)
        if event.refusal:
            # sent again after the pause; going on would break the order
            raise AccessError(
                f"the broker does not take {'a message' if seq is None else f'result {seq}'}: {event.refusal}",
                where=self._settings.address,
                mend=f"let this client publish under {self._topics.base}/",
            )
        if seq is None:
            return
        try:
            self._outbox.mark_sent([seq])
        except StorageError as error:
            self._complain(error, IDLE_S)
        with self._progress:
            self._progress.notify_all()

    def _answer(self, connection: Connection, message: Incoming) -> None:
        name = self._topics.command_name(message.topic)
        if name is None:
            return
        answer = self._obey(name, message)
        topic = self._topics.reply(name)
        response = message.response_topic
        if response and not set("+#") & set(response) and not response.startswith(f"{self._topics.base}/"):
            topic = response  # under our own base only `reply` is for replies: nobody writes our status through us
        properties = _publish_properties(CorrelationData=message.correlation) if message.correlation else None
        connection.publish(topic, _json({"command": name, **answer}), qos=1, properties=properties)

    def _obey(self, name: str, message: Incoming) -> dict[str, Any]:
        try:
            return self._on_command(name, parse_command(name, message.payload, retained=message.retained))
        except MatecheckError as error:
            log.warning("mqtt command=%s refused reason=%s", ascii(name), error)
            return {"accepted": False, "reason": str(error)}
        except Exception:
            log.exception("mqtt command=%s failed", ascii(name))
            return {"accepted": False, "reason": "internal error; see the agent's log"}

    def _complain(self, error: MatecheckError, pause: float) -> None:
        self._warn(error.what, f"mqtt {error} retry_s={pause:.1f}")

    def _warn(self, what: str, line: str) -> None:
        """Warn once until the next connection: a broker that is away for a weekend is one line, not thousands."""
        log.log(logging.DEBUG if what in self._said else logging.WARNING, "%s", line)
        self._said.add(what)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _publish_properties(**values: Any) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
