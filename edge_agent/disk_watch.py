"""Watches the free space of the disk that holds the results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from edge_agent import health
from edge_agent.conditions import Condition
from edge_agent.log import event

log = logging.getLogger(__name__)

LOOK_S = 2.0
EASED = 1.1  # well again with so much more than the least: no flapping at the limit


class DiskWatch:
    """Results matter more than pictures. Call `look` as often as you like.

    With less than `least_mb` free the archive gives up its oldest pictures. When that is not enough no pictures are
    kept or sent, until there is room again; results go on.

    Args:
        give_up: deletes pictures of the archive until so many MB are free, as far as there are any.
    """

    def __init__(self, folder: Path, least_mb: int, give_up: Callable[[float], None]) -> None:
        self._folder, self._least_mb, self._give_up = folder, least_mb, give_up
        self._due = 0.0
        self._low = False

    @property
    def pictures_welcome(self) -> bool:
        """Whether there is room for pictures."""
        return not self._low

    def look(self) -> Condition | None:
        """What is wrong, if anything is."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + LOOK_S
            self._watch()
        if not self._low:
            return None
        text = f"less than {self._least_mb} MB are free at {self._folder}: no pictures are kept or sent, results go on"
        return Condition("storage", text)

    def _watch(self) -> None:
        enough_mb = self._least_mb * EASED
        if health.disk_free_mb(self._folder) < self._least_mb:
            self._give_up(enough_mb)
        was_low = self._low
        self._low = health.disk_free_mb(self._folder) < (enough_mb if was_low else self._least_mb)
        if was_low and not self._low:
            log.info(event("disk-has-room", folder=self._folder))
