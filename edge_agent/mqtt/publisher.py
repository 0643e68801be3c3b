"""The thread that talks to the broker: results out of the outbox, status and replies out, commands in."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from edge_agent.backoff import Backoff
from edge_agent.errors import BrokerError, StorageError
from edge_agent.mqtt.complaints import Complaints
from edge_agent.mqtt.connection import (
    LARGEST_PACKET,
    Connection,
    PacketRefusedError,
    ProtocolVersionError,
    Will,
)
from edge_agent.mqtt.credentials import AccessError
from edge_agent.mqtt.delivery import Delivery
from edge_agent.mqtt.events import Acknowledged, Event, Incoming, Subscribed
from edge_agent.mqtt.outgoing import Message, Outgoing, as_json, picture, publish_properties
from edge_agent.mqtt.result_stream import ResultStream
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.topics import Topics
from edge_agent.results.outbox import Outbox

log = logging.getLogger(__name__)

IDLE_S = 1.0  # how long the thread sleeps when nothing happens; bounds how late a keep-alive is
SETTLED_S = 10.0  # a connection that lasted as long was a good one
HANGS_S = 300.0  # names and addresses that nobody answers to, one after the other, may take a minute or two
GOODBYE_S = 2.0  # how long stop waits for the broker to take "stopped"


class MqttPublisher:
    """Sends what the outbox holds, for ever: live results first, between them what waited before the connection was
    made, in order; then what is to be replayed. Hands commands on, and sends their replies.

    Nothing here blocks the caller, but `drain` and `stop`. Broker away, refusing or misconfigured: the log says so
    once, the results wait on disk, and the thread tries again.

    Delivery is at least once: a result whose acknowledgement got lost with the connection is sent again, with the
    same id and seq.

    Args:
        outbox: where results are read from; marked there as sent when the broker has acknowledged them.
        on_command: called with name and message, on the MQTT thread: it must return soon, and it must not raise.
        device_info: makes what is published, retained, on `info` at each connection, and when it has changed.
    """

    def __init__(
        self,
        settings: MqttSettings,
        outbox: Outbox,
        on_command: Callable[[str, Incoming], None],
        device_info: Callable[[], dict[str, Any]],
    ) -> None:
        self._settings, self._outbox = settings, outbox
        self._on_command, self._device_info = on_command, device_info
        self._topics = Topics(settings.topic_base)
        self._backoff = Backoff(settings.reconnect_min_s, settings.reconnect_max_s)
        self._outgoing = Outgoing()
        self._stream = ResultStream(outbox)
        self._largest = LARGEST_PACKET
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._stopping, self._hurry = threading.Event(), threading.Event()
        self._connected = threading.Event()
        self._progress = threading.Condition()
        self._complaints = Complaints()
        self._beat = time.monotonic()
        self._protocol = settings.protocol
        self._troubles: dict[str, str] = {}
        self._stopped_why = ""
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self.set_status({"state": "online", "why": ""})

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection stands."""
        return self._connected.is_set()

    @property
    def trouble(self) -> str:
        """What keeps results or commands back although the connection stands; "" if nothing does."""
        return "; ".join(filter(None, list(self._troubles.values())))

    @property
    def silent_s(self) -> float:
        """Seconds since the thread gave a sign of life; a pause between two attempts is none that counts."""
        return max(time.monotonic() - self._beat, 0.0)

    def start(self) -> None:
        """Begin to connect."""
        if self._settings.exposes_password:
            log.warning("mqtt without TLS anybody on the network can read the password; give ca_file")
        self._beat = time.monotonic()
        self._thread.start()

    def wake(self) -> None:
        """A new result is in the outbox."""
        with suppress(OSError):  # full: enough wake-ups wait already; closed: nobody listens any more
            self._wake_sender.send(b"w")

    def retry_now(self) -> None:
        """End the pause between two attempts to connect, if it is one: something has changed."""
        self._hurry.set()

    def set_status(self, status: Mapping[str, Any]) -> None:
        """Say this, retained; now, or at the next connection. It holds `state`, `why` and what else is known."""
        self._set_latest(self._topics.status, status)

    def set_handshake(self, state: dict[str, Any]) -> None:
        """Say whether a trigger would be accepted, retained; now, or at the next connection."""
        self._set_latest(self._topics.handshake, state)

    def set_evicted(self, counts: dict[str, int]) -> None:
        """Say what had to go because the outbox was full, retained; now, or at the next connection."""
        self._set_latest(self._topics.evicted, counts)

    def publish_metrics(self, metrics: dict[str, Any]) -> None:
        """Send numbers about the device if the broker is there; else they are forgotten."""
        if self.connected:
            self._outgoing.put_once(Message(self._topics.metrics, as_json(metrics), qos=0))
            self.wake()

    def publish_info(self) -> None:
        """What this device is and runs has changed."""
        self._set_latest(self._topics.info, self._device_info())

    def publish_audit(self, entry: dict[str, Any]) -> None:
        """Send what was asked, and what came of it."""
        self._queue(Message(self._topics.audit, as_json(entry)), 0.5)  # replies are worth more

    def publish_snapshot(self, jpeg: bytes, snapshot_id: str) -> bool:
        """Send a picture that was asked for; False when too much waits for the broker already."""
        message = picture(self._topics.snapshot, jpeg, snapshot_id, self._settings.thumbnail_expiry_s, qos=1)
        return self._queue(message, 0.5)

    def reply(self, name: str, message: Incoming, answer: dict[str, Any]) -> None:
        """Answer the command `name`: on `reply/{name}`, or where its sender wants it."""
        wanted = message.response_topic
        topic = wanted if wanted and self._topics.may_reply_to(wanted) else self._topics.reply(name)
        properties = publish_properties(CorrelationData=message.correlation) if message.correlation else None
        self._queue(Message(topic, as_json(answer), properties=properties))

    def replay(self, from_seq: int, to_seq: int) -> bool:
        """Send stored results again, marked as such; False when too many ranges wait already."""
        taken = self._stream.replay(from_seq, to_seq)
        self.wake()
        return taken

    def drain(self, timeout: float) -> bool:
        """Wait until the broker has every result; False when `timeout` seconds were not enough."""
        with self._progress:
            return self._progress.wait_for(lambda: self._outbox.count() == 0, timeout)

    def stop(self, why: str = "") -> None:
        """Say "stopped", retained, disconnect, and end the thread. Results that wait stay in the outbox."""
        self._stopped_why = why
        self._stopping.set()
        self._hurry.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(GOODBYE_S + 2 * IDLE_S)
        self._wake_sender.close()
        if not self._thread.is_alive():  # else it is stuck in an attempt to connect, and still looks at it
            self._wake_receiver.close()

    def _set_latest(self, topic: str, value: Mapping[str, Any]) -> None:
        if self._outgoing.set_latest(Message(topic, as_json(value), retain=True)):
            self.wake()

    def _queue(self, message: Message, share: float = 1.0) -> bool:
        taken = self._outgoing.queue(message, share)
        if taken:
            self.wake()
        else:
            self._complaints.warn("flood", "mqtt more commands than the broker takes replies to; some are not sent")
        return taken

    # From here on: the MQTT thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._beat = time.monotonic()
            pause = self._attempt()
            self._beat = time.monotonic() + pause
            self._hurry.wait(pause)
            self._hurry.clear()

    def _attempt(self) -> float:
        """One connection, from beginning to end; returns how long to wait before the next."""
        try:
            self._serve_in_either_protocol()
        except (AccessError, ProtocolVersionError) as error:
            pause = self._backoff.longest()
            self._complaints.error(error, pause)
        except BrokerError as error:
            pause = self._backoff.pause()
            self._complaints.error(error, pause)
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
            self._complaints.warn(error.what, f"mqtt {error}; trying MQTT 3.1.1")
            self._serve("3.1.1")

    def _serve(self, protocol: str) -> None:
        will = Will(self._topics.status, as_json({"state": "offline", "why": "the connection broke"}))
        connection = Connection(self._settings, protocol, will, self._wake_receiver)
        began = time.monotonic()
        self._protocol = protocol
        try:
            delivery = self._greet(connection)
            while not self._stopping.is_set():
                self._beat = time.monotonic()
                with self._said_storage_failure():
                    delivery.send()
                self._handle(delivery, connection.pump(IDLE_S))
            self._say_goodbye(connection, delivery)
        except PacketRefusedError:
            self._shorten(delivery)
            raise
        finally:
            self._connected.clear()
            connection.abort()
            if time.monotonic() - began >= SETTLED_S:
                self._backoff.reset()

    def _greet(self, connection: Connection) -> Delivery:
        self._complaints.forget()
        self._troubles.clear()
        with self._said_storage_failure():
            self._stream.connected()
        connection.subscribe(self._topics.command_filter)
        self._outgoing.set_latest(Message(self._topics.info, as_json(self._device_info()), retain=True))
        self._outgoing.connected(unretained=self._topics.metrics)
        self._connected.set()
        return Delivery(connection, self._settings, self._outgoing, self._stream, self._backoff.longest, self._largest)

    def _shorten(self, delivery: Delivery) -> None:
        """The broker has a limit that it does not tell: the next connection sends results with fewer components."""
        if delivery.blames_a_result:
            self._largest = delivery.largest_result * 3 // 4
            log.warning("mqtt results are cut to %d bytes: the broker takes no larger ones", self._largest)

    def _say_goodbye(self, connection: Connection, delivery: Delivery) -> None:
        stopped = Message(self._topics.status, as_json({"state": "stopped", "why": self._stopped_why}), retain=True)
        number = delivery.publish(stopped)
        deadline = time.monotonic() + GOODBYE_S
        while (left := deadline - time.monotonic()) > 0 and delivery.waits_for(number):
            events = connection.pump(left)
            self._handle(delivery, [event for event in events if isinstance(event, Acknowledged)])
        connection.close()
        log.info("mqtt disconnected broker=%s", self._settings.address)

    def _handle(self, delivery: Delivery, events: Sequence[Event]) -> None:
        sent = delivery.acknowledged([event for event in events if isinstance(event, Acknowledged)])
        if sent:
            with self._said_storage_failure():
                self._outbox.mark_sent(sent)
            with self._progress:
                self._progress.notify_all()
        for event in events:
            if isinstance(event, Incoming):
                name = self._topics.command_name(event.topic)
                if name is not None:
                    self._on_command(name, event)
            elif isinstance(event, Subscribed):
                self._subscribed(event)
        self._troubles["results"] = delivery.trouble
        for what, text in delivery.warnings():
            self._complaints.warn(what, text)

    def _subscribed(self, event: Subscribed) -> None:
        """From now on commands arrive, so only now it is said that the agent is there."""
        log.info("mqtt connected broker=%s protocol=%s", self._settings.address, self._protocol)
        if event.refusal:
            self._troubles["commands"] = f"commands will not arrive: the broker refuses ({event.refusal})"
            log.error("mqtt %s", self._troubles["commands"])

    @contextmanager
    def _said_storage_failure(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            self._complaints.error(error, IDLE_S)
