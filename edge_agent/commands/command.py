"""What every command is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Request:
    """A command that was parsed and not looked into yet.

    Attributes:
        arguments: the JSON object of its payload.
        expires_in_s: what is left of the message's expiry (MQTT 5); None if its sender set none.
    """

    arguments: dict[str, Any]
    expires_in_s: float | None = None


class Command(ABC):
    """One command. It holds what it needs of the agent, and nothing else.

    Attributes:
        name: the last level of its topic.
        slow: it waits for pictures or files, and runs on the thread for that; the others run on the MQTT thread.
    """

    name: ClassVar[str]
    slow: ClassVar[bool] = False

    @abstractmethod
    def obey(self, request: Request) -> dict[str, Any]:
        """Do it; returns what the reply says beside `accepted`.

        Raises:
            CommandError: it is refused, and nothing was done.
        """
