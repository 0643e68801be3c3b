"""UUIDv7 (RFC 9562): unique for ever, sorted by time. The standard library has it from Python 3.14."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from uuid import UUID

TAIL_BITS = 74  # below the 48 bits of time, without the 6 of version and variant
STEP_BITS = 32


class Identifiers:
    """Each identifier is greater than all before it, whatever the wall clock does (RFC 9562, section 6.2, method 2).

    As long as the clock stands still or is behind the last identifier, the time of that one is kept and its random
    tail grows by a random step. Every method may be called from any thread.

    Args:
        unix_ms: the clock.
    """

    def __init__(self, unix_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._unix_ms = unix_ms
        self._lock = threading.Lock()
        self._last = 0  # time and tail, 122 bits

    def new(self) -> str:
        """The next one."""
        now = self._unix_ms() & ((1 << 48) - 1)
        with self._lock:
            fresh = now << TAIL_BITS | secrets.randbits(TAIL_BITS)
            if now <= self._last >> TAIL_BITS:
                fresh = self._last + 1 + secrets.randbits(STEP_BITS)  # an overflow is a millisecond more
            self._last = fresh
        return _uuid(fresh)

    def not_before(self, identifier: str) -> None:
        """From now on all are greater than this one, of an earlier run."""
        bits = UUID(identifier).int
        time_and_tail = (bits >> 80) << TAIL_BITS | (bits >> 64 & 0xFFF) << 62 | bits & ((1 << 62) - 1)
        with self._lock:
            self._last = max(self._last, time_and_tail)


def _uuid(time_and_tail: int) -> str:
    milliseconds, tail = time_and_tail >> TAIL_BITS, time_and_tail & ((1 << TAIL_BITS) - 1)
    bits = milliseconds << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0x2 << 62 | tail & ((1 << 62) - 1)
    return str(UUID(int=bits))


_of_this_process = Identifiers()
uuid7 = _of_this_process.new
not_before = _of_this_process.not_before
