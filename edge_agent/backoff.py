"""Pauses between attempts at what is away: a broker, a camera."""

from __future__ import annotations

import random


class Backoff:
    """Pauses doubling from first to longest, each shortened by up to half at random.

    The jitter keeps the devices of a plant from all coming back in the same instant after an outage.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first, self._longest = first_s, longest_s
        self._next = first_s

    def pause(self) -> float:
        """Seconds to wait now."""
        current, self._next = self._next, min(self._next * 2, self._longest)
        return current * random.uniform(0.5, 1.0)

    def longest(self) -> float:
        """Seconds to wait where only a person can mend the cause."""
        return self._longest * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the first pause."""
        self._next = self._first
