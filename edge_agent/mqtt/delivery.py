"""What is sent over one connection, within the limits that the broker has told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge_agent.errors import BrokerError
from edge_agent.mqtt.connection import Connection
from edge_agent.mqtt.events import Acknowledged
from edge_agent.mqtt.outgoing import Message, Outgoing, picture
from edge_agent.mqtt.result_stream import NextResult, ResultStream, payload_of
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.topics import Topics

ACKNOWLEDGE_TIMEOUT_S = 60.0  # a broker that answers pings, but no result, gets a new connection
RESERVED_RECEIVES = 2  # of what may be in flight, for status and replies: results must not keep them waiting
OVERHEAD_BYTES = 128  # of a packet, at most, beside topic, payload and properties
SHOWN = 200  # characters of a topic in the log: that of a reply is what its sender wants
SHORT_BYTES = 1500  # a result as short as this was not the packet that the broker did not take
QUOTA_EXCEEDED = 0x97  # reason of a PUBACK


class Delivery:
    """Replies, status and metrics first, then results; never more in flight, nor larger, than the broker takes.

    Args:
        pause: seconds to wait before a result is sent again that the broker did not take.
        largest: bytes of a result that earlier connections have shown to be too many, or more.

    Attributes:
        trouble: why results do not get through; "" if nothing is known to be wrong.
        largest_result: bytes of the largest result that was sent.
    """

    def __init__(
        self,
        connection: Connection,
        settings: MqttSettings,
        outgoing: Outgoing,
        stream: ResultStream,
        pause: Callable[[], float],
        largest: int,
    ) -> None:
        self.trouble, self.largest_result = "", 0
        self._connection, self._settings, self._pause = connection, settings, pause
        self._outgoing, self._stream = outgoing, stream
        self._topics = Topics(settings.topic_base)
        self._most = min(settings.in_flight, connection.receive_maximum)
        self._others: dict[int, Message] = {}  # message number -> what was sent beside results, and not yet answered
        self._warnings: list[tuple[str, str]] = []
        self._moved_at = time.monotonic()
        self._held_until = 0.0
        told = connection.maximum_packet_size - len(self._topics.result.encode()) - OVERHEAD_BYTES
        self._largest = min(largest, told)

    def send(self) -> None:
        """What is new, as far as there is room. Raises StorageError; BrokerError if nothing is acknowledged."""
        while self._in_flight < self._most and (message := self._outgoing.take()):
            self.publish(message)
        if not self._in_flight:
            self._moved_at = time.monotonic()
        elif time.monotonic() - self._moved_at > ACKNOWLEDGE_TIMEOUT_S:
            raise BrokerError("the broker does not acknowledge results", where=self._settings.address)
        room = max(self._most - RESERVED_RECEIVES, 1) - self._in_flight
        if room > 0 and time.monotonic() >= self._held_until:
            for result in self._stream.next(room):
                self._send_result(result)

    def publish(self, message: Message) -> int:
        """Send one message now; returns its number, 0 if it is larger than the broker takes."""
        shown = ascii(message.topic)[1:-1][:SHOWN]
        if message.size + OVERHEAD_BYTES > self._connection.maximum_packet_size:
            self._warnings.append((f"large {shown}", f"mqtt larger than the broker takes: {shown}"))
            return 0
        number = self._connection.publish(
            message.topic, message.payload, qos=message.qos, retain=message.retain, properties=message.properties
        )
        if message.qos:
            self._others[number] = message
        return number

    def waits_for(self, number: int) -> bool:
        """Whether the broker has not yet answered to this message."""
        return number in self._others

    def acknowledged(self, events: Sequence[Acknowledged]) -> list[int]:
        """The seqs of the results that the broker has now."""
        return [seq for event in events for seq in self._acknowledged(event)]

    @property
    def blames_a_result(self) -> bool:
        """Whether a packet that the broker did not take is thought to be a result: the largest without an answer is."""
        others = max((message.size for message in self._others.values()), default=0)
        return self.largest_result > max(others, SHORT_BYTES)

    def warnings(self) -> list[tuple[str, str]]:
        """What to tell a person since the last call: what it is about, and the line."""
        told, self._warnings = self._warnings, []
        return told

    @property
    def _in_flight(self) -> int:
        return self._stream.in_flight + len(self._others)

    def _send_result(self, result: NextResult) -> None:
        row = result.row
        payload = payload_of(result, self._largest)
        if payload is None:
            self.trouble = f"result {row.seq} is larger than the broker takes"
            self._warnings.append((f"large {row.seq}", f"mqtt {self.trouble}; it stays in the outbox"))
            return
        self.largest_result = max(self.largest_result, len(payload.encode()))
        self._stream.sent(self._connection.publish(self._topics.result, payload, qos=1), result)
        if row.thumbnail is not None:
            expiry_s = self._settings.thumbnail_expiry_s
            self.publish(picture(self._topics.thumbnail, row.thumbnail, row.id, expiry_s, qos=0))

    def _acknowledged(self, event: Acknowledged) -> list[int]:
        self._moved_at = time.monotonic()
        other = self._others.pop(event.mid, None)
        result = self._stream.acknowledged(event.mid)
        if result is None:
            if event.refusal and other is not None:
                shown = ascii(other.topic)[1:-1][:SHOWN]
                text = f"mqtt the broker does not take what is sent to {shown}: {event.refusal}"
                self._warnings.append((f"refused {shown}", text))
            return []
        if event.refusal:
            self._hold(result, event)
            return []
        if self._held_until <= time.monotonic():
            self.trouble = ""
        return [result.row.seq]

    def _hold(self, result: NextResult, event: Acknowledged) -> None:
        """No more results for a while, then again from the oldest; the connection stands, for commands and status."""
        mend = f"let this client publish under {self._topics.base}/"
        if event.code == QUOTA_EXCEEDED:
            mend = "raise the broker's quota for this client"
        self.trouble = f"the broker does not take result {result.row.seq}: {event.refusal}; {mend}"
        pause = self._pause()
        self._warnings.append((event.refusal, f"mqtt {self._settings.address}: {self.trouble} retry_s={pause:.1f}"))
        self._held_until = time.monotonic() + pause
        self._stream.again()
