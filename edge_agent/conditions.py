"""What is not as it should be, and since when: the `status` of the device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any


@dataclass(frozen=True)
class Condition:
    """Something that is wrong.

    Attributes:
        code: what, for machines: "camera", "engine", "storage", "worker", "memory", "temperature", "clock", …
        text: what, for people. Stable as long as it is the same trouble: each new text is published.
    """

    code: str
    text: str


class Conditions:
    """Remembers since when each condition holds, by the monotonic clock: setting the wall clock does not change it."""

    def __init__(self) -> None:
        self._found: tuple[Condition, ...] = ()
        self._since: dict[str, float] = {}
        self._state_since = time.monotonic()

    @property
    def state(self) -> str:
        """ "online", or "degraded" if anything is wrong."""
        return "degraded" if self._found else "online"

    @property
    def why(self) -> str:
        """All texts in one line; "" when nothing is wrong."""
        return "; ".join(condition.text for condition in self._found)

    def update(self, found: Sequence[Condition]) -> bool:
        """Take note of what is wrong now; True if that is news."""
        now, before = time.monotonic(), self._found
        if tuple(found) == before:
            return False
        self._found = tuple(found)
        self._since = {condition.code: self._since.get(condition.code, now) for condition in found}
        if bool(before) != bool(found):
            self._state_since = now
        return True

    def to_dict(self) -> dict[str, Any]:
        """The payload of `status`."""
        return {
            "state": self.state,
            "why": self.why,
            "since": _utc(self._state_since),
            "reasons": [
                {"code": condition.code, "text": condition.text, "since": _utc(self._since[condition.code])}
                for condition in self._found
            ],
        }


def _utc(monotonic: float) -> str:
    then = datetime.now(timezone.utc) - timedelta(seconds=time.monotonic() - monotonic)
    return then.isoformat(timespec="seconds").replace("+00:00", "Z")
