"""Where the broker is and how to talk to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import ConfigError
from edge_agent.mqtt.topics import Topics

PROTOCOLS = ("5", "3.1.1")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class MqttSettings:
    """The `[mqtt]` section of agent.toml.

    Secrets stand in files of their own, named here: never in the configuration, never in a log.

    Attributes:
        topic_base: all topics of this device stand under it; no wildcard, no slash at either end.
        host: name or address of the broker.
        port: 1883 without TLS, by convention 8883 with it.
        protocol: "5" or "3.1.1". With "5" the agent steps down by itself when the broker knows only 3.1.1.
        client_id: must be unique at the broker; "" takes one made from the topic base, the same at every start.
        username: "" connects without one.
        password_file: holds the password in its first line; None connects without one.
        tls: encrypt. Set by itself when one of the three files below is given.
        ca_file: PEM of the authority that signed the broker's certificate; None takes the system's.
        cert_file, key_file: PEM of this device's own certificate and its key, where the broker asks for one.
        keepalive_s: the broker notices after 1.5 times this that the device is gone.
        in_flight: results sent and not yet acknowledged, at most.
        thumbnail_expiry_s: the broker forgets a thumbnail that nobody has fetched so long (MQTT 5).
        reconnect_min_s, reconnect_max_s: first and longest pause before the next attempt to connect.

    Raises:
        ConfigError: `where` names the key.
    """

    topic_base: str
    host: str = "localhost"
    port: int = 1883
    protocol: str = "5"
    client_id: str = ""
    username: str = ""
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 30
    in_flight: int = 20
    thumbnail_expiry_s: int = 300
    reconnect_min_s: float = 1.0
    reconnect_max_s: float = 60.0

    def __post_init__(self) -> None:
        Topics(self.topic_base)
        if not self.host:
            raise ConfigError("must not be empty", where="host", mend="name the broker's host or address")
        if self.protocol not in PROTOCOLS:
            raise ConfigError(f'must be "5" or "3.1.1", but got "{self.protocol}"', where="protocol")
        _within("port", self.port, 1, 65535)
        _within("keepalive_s", self.keepalive_s, 1, 65535)
        _within("in_flight", self.in_flight, 1, 65535)
        _within("thumbnail_expiry_s", self.thumbnail_expiry_s, 1, 2**32 - 1)
        _within("reconnect_min_s", self.reconnect_min_s, 0.01, 3600)
        _within("reconnect_max_s", self.reconnect_max_s, self.reconnect_min_s, 3600)
        if self.password_file and not self.username:
            raise ConfigError("is empty although password_file is given", where="username", mend="name the user")
        if (self.cert_file is None) != (self.key_file is None):
            missing = "key_file" if self.key_file is None else "cert_file"
            raise ConfigError("is missing", where=missing, mend="give cert_file and key_file together, or neither")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or self.ca_file is not None or self.cert_file is not None

    @property
    def exposes_password(self) -> bool:
        """Whether the password goes over a network that others can listen to."""
        return bool(self.password_file) and not self.uses_tls and self.host not in LOOPBACK

    @property
    def address(self) -> str:
        """The broker as it is named in logs."""
        return f"mqtt{'s' if self.uses_tls else ''}://{self.host}:{self.port}"


def _within(key: str, value: float, low: float, high: float) -> None:
    if not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"must be {low:g} to {high:g}, but got {value:g}", where=key)
