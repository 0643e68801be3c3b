"""Watches memory, temperature and clock, and says what is beyond its limit."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone

from edge_agent import health
from edge_agent.conditions import Condition
from edge_agent.health_settings import HealthSettings
from edge_agent.log import event

log = logging.getLogger(__name__)

LOOK_S = 2.0
STEP_S = 1.0  # a clock that moved so far against the monotonic one was set
COOLED_C, EASED = 3.0, 0.05  # how far below a limit it must be to count as well again: no flapping at the limit


class HealthWatch:
    """Call `look` as often as you like.

    Attributes:
        clock_steps: how often the wall clock was set since the start.
    """

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self._due = 0.0
        self._found: tuple[Condition, ...] = ()
        self._offset_s = time.time() - time.monotonic()
        self.clock_steps = 0

    def look(self) -> tuple[Condition, ...]:
        """What is wrong."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LOOK_S
            self._watch_clock()
            found = (self._temperature(), self._memory(), self._machine_memory(), self._clock())
            self._found = tuple(condition for condition in found if condition)
        return self._found

    def _has(self, code: str) -> bool:
        return any(condition.code == code for condition in self._found)

    def _temperature(self) -> Condition | None:
        zones = health.temperatures()
        if not zones:
            return None
        zone = max(zones, key=lambda name: zones[name])
        hot = self._settings.hot_c
        if zones[zone] < hot - (COOLED_C if self._has("temperature") else 0):
            return None
        return Condition("temperature", f"hotter than {hot:g} °C; cool it, or it will be throttled")

    def _memory(self) -> Condition | None:
        most = self._settings.memory_mb
        if not most or health.memory_mb() <= most * (1 - EASED if self._has("memory") else 1):
            return None
        return Condition("memory", f"the agent takes more than {most} MB of memory")

    def _machine_memory(self) -> Condition | None:
        least, available = self._settings.memory_available_mb, health.memory_available_mb()
        eased = 1 + EASED if self._has("machine-memory") else 1
        if not least or available is None or available >= least * eased:
            return None
        return Condition("machine-memory", f"less than {least} MB of memory are left on this machine")

    def _clock(self) -> Condition | None:
        if not health.clock_plausible():
            year = datetime.now(timezone.utc).year
            return Condition("clock", f"the clock is wrong, it says {year}; until it is set, TLS may be refused")
        if self._settings.clock_must_be_synced and not health.clock_synced():
            return Condition("clock", "the clock is not synchronised; enable chrony or systemd-timesyncd")
        return None

    def _watch_clock(self) -> None:
        offset_s = time.time() - time.monotonic()
        moved_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(moved_s) >= STEP_S:
            self.clock_steps += 1
            log.warning(event("clock-was-set", by_s=round(moved_s, 1), now=datetime.now(timezone.utc).isoformat()))
