"""What a connection tells of: messages, and the broker's answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_TOLD = 128  # characters of what a sender says of itself


@dataclass(frozen=True)
class Incoming:
    """A message from the broker. What follows `retained` only MQTT 5 tells.

    Attributes:
        expires_in_s: what is left of its expiry; None if it has none.
        user_properties: what its sender wrote; nobody has checked it.
    """

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None
    expires_in_s: float | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def sender(self) -> dict[str, Any]:
        """What MQTT tells of who sent it, shortened: a receiver never sees the name that the broker knows."""
        told = {
            "user_properties": [[key[:MAX_TOLD], value[:MAX_TOLD]] for key, value in self.user_properties[:10]],
            "response_topic": (self.response_topic or "")[:MAX_TOLD],
            "correlation": (self.correlation or b"")[:32].hex(),
        }
        return {key: value for key, value in told.items() if value}


@dataclass(frozen=True)
class Acknowledged:
    """The broker's answer to a message with QoS 1; `refusal` is "" when it took the message, `code` MQTT's number."""

    mid: int
    refusal: str
    code: int = 0


@dataclass(frozen=True)
class Subscribed:
    """The broker's answer to `subscribe`; `refusal` is "" when it agreed."""

    refusal: str


Event = Incoming | Acknowledged | Subscribed
