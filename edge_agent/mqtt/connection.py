"""One connection to the broker, from the first packet to the last; owned by one thread."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.errors import BrokerError
from edge_agent.health import clock_plausible, clock_synced
from edge_agent.mqtt.credentials import AccessError, default_client_id, read_password, tls_context
from edge_agent.mqtt.events import Acknowledged, Event, Incoming, Subscribed
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.mqtt.tls_refusal import look_for_refusal

CONNACK_TIMEOUT_S = 5.0
MAX_INCOMING_BYTES = 64 * 1024  # told to the broker (MQTT 5): nothing larger is sent to us
MAX_INCOMING_AT_ONCE = 20  # likewise: commands with QoS 1 that we have not acknowledged
LARGEST_PACKET = 268_435_455  # of MQTT, where the broker sets no limit
UNSUPPORTED_PROTOCOL_VERSION = 132
SESSION_TAKEN_OVER = 142
PACKET_TOO_LARGE = "Packet too large"
# Client identifier, user or password, authorisation, banned, authentication method: time alone mends none of them.
ACCESS_CODES = frozenset({133, 134, 135, 138, 140})

TIME_CODES = (9, 10)  # OpenSSL: not yet valid, expired


class PacketRefusedError(BrokerError):
    """The broker ended the connection over a packet, or answered to one with what MQTT 5 does not know.

    Mosquitto does so with `message_size_limit`, which it tells nobody: its PUBACK says 0x95, no reason of PUBACK's.
    """


class ProtocolVersionError(BrokerError):
    """The broker does not speak this version of MQTT: it says so, or it does not answer to it at all."""


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when this connection breaks."""

    topic: str
    payload: str


class Connection:
    """Connects in the constructor; then `pump` moves bytes and returns what came.

    Args:
        protocol: "5" or "3.1.1".
        wake: a socket; when it becomes readable, `pump` returns early.

    Attributes:
        receive_maximum: messages with QoS 1 that the broker takes before it has acknowledged one.
        maximum_packet_size: bytes of the largest packet that the broker takes.

    Raises:
        ProtocolVersionError, AccessError: the broker refuses us.
        BrokerError: it cannot be reached, or the connection is lost.
    """

    def __init__(self, settings: MqttSettings, protocol: str, will: Will, wake: socket.socket) -> None:
        self._settings = settings
        self._wake = wake
        self._events: list[Event] = []
        self._connack: ReasonCode | None = None
        self._farewell = ""
        self.receive_maximum, self.maximum_packet_size = 65535, LARGEST_PACKET
        self._maximum_qos, self._retains = 2, True
        self.is_v5 = protocol == "5"
        self._client = self._make_client(will)
        try:
            self._connect()
        except BaseException as error:
            self.abort()
            if settings.uses_tls and self._connack is None and isinstance(error, BrokerError):
                look_for_refusal(settings)
            raise

    def publish(
        self, topic: str, payload: str | bytes, *, qos: int, retain: bool = False, properties: Properties | None = None
    ) -> int:
        """Send a message; returns its number, which comes back in Acknowledged for QoS 1."""
        retain = retain and self._retains  # else the broker would end the connection
        info = self._client.publish(topic, payload, qos, retain, properties if self.is_v5 else None)
        return info.mid

    def subscribe(self, topic_filter: str) -> None:
        """Ask for messages, with QoS 1. A message that was retained says so."""
        if self.is_v5:
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            self._client.subscribe(topic_filter, options=options)
        else:
            self._client.subscribe(topic_filter, qos=1)

    def pump(self, timeout: float) -> Sequence[Event]:
        """Wait at most `timeout` seconds for the network or the wake socket; returns what has come."""
        connected = self._socket()
        readable, writable, _ = select.select(
            [connected, self._wake], [connected] if self._client.want_write() else [], [], timeout
        )
        if connected in readable:
            self._read()
        if connected in writable:
            self._check(self._client.loop_write())
        self._check(self._client.loop_misc())
        if self._wake in readable:
            self._wake.recv(4096)
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Say goodbye, so that the will is not published, and let the socket go."""
        self._client.disconnect()
        self.abort()

    def abort(self) -> None:
        """Let the socket go without a word."""
        connected = self._client.socket()
        if connected is not None:
            connected.close()

    def _make_client(self, will: Will) -> paho.Client:
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id or default_client_id(settings.topic_base),
            protocol=MQTTProtocolVersion.MQTTv5 if self.is_v5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self.is_v5 else True,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages = 0  # the publisher counts; paho would queue in memory
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        if settings.username:
            client.username_pw_set(settings.username, read_password(settings.password_file))
        if settings.uses_tls:
            client.tls_set_context(tls_context(settings))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> None:
        settings = self._settings
        properties = None
        if self.is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_INCOMING_BYTES
            properties.ReceiveMaximum = MAX_INCOMING_AT_ONCE
        try:
            self._client.connect(settings.host, settings.port, settings.keepalive_s, properties=properties)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
            raise _unreachable(settings, error) from error
        self._socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a result is smaller than a segment
        self._await_connack()
        if self._connack is None:
            # silence may be a broker that is just going down, or amqtt 0.12, which cannot read a v5 CONNECT with a will
            if self.is_v5:
                raise ProtocolVersionError("no answer in MQTT 5", where=settings.address)
            mend = "check host and port" if settings.uses_tls else "check host, port and whether the broker wants TLS"
            raise BrokerError("no answer in MQTT 3.1.1", where=settings.address, mend=mend)
        if self._connack.is_failure:
            raise self._refusal(self._connack)
        if self._maximum_qos < 1:
            raise AccessError(
                "the broker takes no QoS 1, without which a result may get lost",
                where=settings.address,
                mend="allow QoS 1 in the broker",
            )

    def _await_connack(self) -> None:
        deadline = time.monotonic() + CONNACK_TIMEOUT_S
        while self._connack is None and (left := deadline - time.monotonic()) > 0:
            connected = self._client.socket()
            if connected is None:
                return
            readable, writable, _ = select.select(
                [connected], [connected] if self._client.want_write() else [], [], left
            )
            if writable:
                self._client.loop_write()
            if readable:
                self._read()

    def _socket(self) -> Any:
        connected = self._client.socket()
        if connected is None:
            raise self._lost("connection lost")
        return connected

    def _read(self) -> None:
        """Read all that is there: select does not see what TLS has already decrypted."""
        while True:
            code = self._client.loop_read()
            if self._connack is not None and not self._connack.is_failure:  # before that, CONNACK says more
                self._check(code)
            connected = self._client.socket()
            if not isinstance(connected, ssl.SSLSocket) or not connected.pending():
                return

    def _check(self, code: MQTTErrorCode) -> None:
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL or self._farewell == PACKET_TOO_LARGE:
            raise PacketRefusedError("the broker does not take a packet", where=self._settings.address)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._lost(f"connection lost ({paho.error_string(code).rstrip('.').lower()})")

    def _lost(self, what: str) -> BrokerError:
        if self._farewell:
            what = f"the broker ended the connection: {self._farewell}"
        return BrokerError(what, where=self._settings.address, mend="" if self._connack else self._unanswered())

    def _unanswered(self) -> str:
        """What may be wrong with a connection that ends before the broker has said a word of MQTT."""
        if not self._settings.uses_tls:
            return "see the broker's log; it may want TLS: ca_file, and its port for TLS"
        if self._settings.cert_file is None:
            return "see the broker's log; it may want a certificate of this device: cert_file and key_file"
        return "see the broker's log; it may not take the certificate of cert_file"

    def _refusal(self, code: ReasonCode) -> BrokerError:
        what, where = f"the broker refuses us: {code}", self._settings.address
        if code.value == UNSUPPORTED_PROTOCOL_VERSION:
            return ProtocolVersionError(what, where=where)
        if code.value in ACCESS_CODES:
            mend = "check username, password_file, client_id and the broker's access rules"
            return AccessError(what, where=where, mend=mend)
        return BrokerError(what, where=where)

    # What paho calls, always from within loop_read, loop_write or loop_misc: notes what came, does nothing else.

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._connack = code
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self.maximum_packet_size = getattr(properties, "MaximumPacketSize", self.maximum_packet_size)
        self._maximum_qos = getattr(properties, "MaximumQoS", self._maximum_qos)
        self._retains = bool(getattr(properties, "RetainAvailable", self._retains))

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, code: ReasonCode, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._farewell = str(code)
            if code.value == SESSION_TAKEN_OVER:
                self._farewell += "; is there another client with this client_id?"

    def _on_publish(self, _client: Any, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        self._events.append(Acknowledged(mid, str(code) if code.is_failure else "", code.value))

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        self._events.append(Subscribed("".join(str(code) for code in codes if code.is_failure)))

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        told = message.properties
        self._events.append(
            Incoming(
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(told, "ResponseTopic", None),
                getattr(told, "CorrelationData", None),
                getattr(told, "MessageExpiryInterval", None),
                tuple(getattr(told, "UserProperty", ())),
            )
        )


def _unreachable(settings: MqttSettings, error: Exception) -> BrokerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        what, mend = f"its certificate is refused: {error.verify_message}", "check ca_file and host"
        if error.verify_code in TIME_CODES:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            wrong = "wrong" if not clock_plausible() else "not synchronised" if not clock_synced() else ""
            what += f", by the clock of this device, which is {wrong}" if wrong else ""
            mend = f"set the clock, which says {now}; it is tried again" if wrong else f"renew it (it is {now})"
    elif isinstance(error, ssl.SSLError):
        what, mend = f"no TLS connection: {error.reason or error}", "check port and the TLS settings of both sides"
    else:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        what, mend = f"cannot be reached: {reason}", "check host, port and whether the broker runs"
    return BrokerError(what, where=settings.address, mend=mend)
