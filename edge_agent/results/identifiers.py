"""UUIDv7 (RFC 9562): unique for ever, sorted by time. The standard library has it from Python 3.14."""

from __future__ import annotations

import secrets
import time
from uuid import UUID


def uuid7(unix_ms: int | None = None) -> str:
    """A new UUIDv7: 48 bits of Unix time in milliseconds, then 74 random bits.

    Args:
        unix_ms: the time to stamp; None takes the clock.
    """
    milliseconds = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    bits = (milliseconds & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76  # version
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # variant
    return str(UUID(int=bits))
