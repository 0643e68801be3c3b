"""Which result is sent next: live ones first, then the backlog in order, then what was asked for again."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from edge_agent.results.outbox import Outbox, StoredResult

MAX_REPLAYS = 16  # ranges asked for and not finished
LIVE, BACKLOG, REPLAY = "live", "backlog", "replay"


@dataclass(frozen=True)
class NextResult:
    """A result to send now; `kind` is "live", "backlog" or "replay"."""

    row: StoredResult
    kind: str


@dataclass
class _Range:
    after: int
    up_to: int


class ResultStream:
    """Reads the outbox for one publisher. The MQTT thread owns it, but `replay` may be called from any thread.

    Live is what was recorded since the connection was made, backlog what waited then. Both go in the order of seq.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._live_after = self._backlog_after = self._boundary = 0
        self._backlog_is_empty = False
        self._overlooked = outbox.overlooked
        self._in_flight: dict[int, NextResult] = {}  # message number -> result
        self._replays: deque[_Range] = deque()
        self._lock = threading.Lock()

    def connected(self) -> None:
        """A new connection: what was not acknowledged is sent again. Raises StorageError."""
        with self._lock:
            for sent in self._in_flight.values():
                if sent.kind == REPLAY and self._replays:
                    self._replays[0].after = min(self._replays[0].after, sent.row.seq - 1)
        self._in_flight.clear()
        self.again()

    def again(self) -> None:
        """Begin again with the oldest that waits, but for what is in flight. Raises StorageError."""
        self._boundary = self._live_after = self._outbox.last_seq
        self._backlog_after, self._backlog_is_empty = 0, False

    def replay(self, from_seq: int, to_seq: int) -> bool:
        """Send what was sent of this range again; False when too many ranges wait."""
        with self._lock:
            if len(self._replays) >= MAX_REPLAYS:
                return False
            self._replays.append(_Range(from_seq - 1, to_seq))
            return True

    def next(self, room: int) -> list[NextResult]:
        """The next results, at most `room`. Raises StorageError."""
        chosen = self._live(room)
        if len(chosen) < room:
            chosen += self._backlog(room - len(chosen))
        if len(chosen) < room:
            chosen += self._replay(room - len(chosen))
        if not chosen and self._outbox.overlooked != self._overlooked:  # newer ones have gone before those
            self._overlooked = self._outbox.overlooked
            self.again()
        return chosen

    def sent(self, number: int, result: NextResult) -> None:
        """This message is on its way."""
        self._in_flight[number] = result

    def acknowledged(self, number: int) -> NextResult | None:
        """The broker has answered to this message; None if it was no result."""
        return self._in_flight.pop(number, None)

    @property
    def in_flight(self) -> int:
        """Results sent and not acknowledged."""
        return len(self._in_flight)

    def _live(self, room: int) -> list[NextResult]:
        rows = self._outbox.waiting(room, after=self._live_after)
        if rows:
            self._live_after = rows[-1].seq
        return [NextResult(row, LIVE) for row in rows]

    def _backlog(self, room: int) -> list[NextResult]:
        if self._backlog_is_empty:
            return []
        rows = self._outbox.waiting(room, after=self._backlog_after, up_to=self._boundary)
        self._backlog_is_empty = not rows
        if rows:
            self._backlog_after = rows[-1].seq
        under_way = {sent.row.seq for sent in self._in_flight.values()}
        return [NextResult(row, BACKLOG) for row in rows if row.seq not in under_way]

    def _replay(self, room: int) -> list[NextResult]:
        with self._lock:
            while self._replays:
                first = self._replays[0]
                rows = self._outbox.sent(room, after=first.after, up_to=first.up_to)
                if rows:
                    first.after = rows[-1].seq
                    return [NextResult(row, REPLAY) for row in rows]
                if any(sent.kind == REPLAY for sent in self._in_flight.values()):
                    return []  # a lost connection would have to send them again
                self._replays.popleft()
            return []


def payload_of(result: NextResult, most: int) -> str | None:
    """The JSON to send, in at most `most` bytes; None if it cannot be made so small.

    A replayed result says so. One that is too large for the broker loses its last components, those of least score;
    `components_total` tells how many there were.
    """
    text = result.row.payload
    if result.kind != REPLAY and len(text) * 4 <= most:  # no character takes more than four bytes
        return text
    plain: dict[str, Any] = json.loads(text)
    if result.kind == REPLAY:
        plain["replayed"] = True
    while len(encoded := json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()) > most:
        if not plain["components"]:
            return None
        plain["components"] = plain["components"][: len(plain["components"]) // 2]
    return encoded.decode()
