"""Time in which this process ran: one that was stopped (SIGSTOP, a machine that slept) has not waited in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BEAT_S = 0.2
STOPPED_S = 3.0  # no beat for so long: nobody let us run


class RunningClock:
    """A clock with a heartbeat of its own, that leaves out what passed between two beats far apart.

    Attributes:
        stops: how often the process was stopped.
        stopped_s: for how long in all.
    """

    def __init__(self) -> None:
        self.stops, self.stopped_s = 0, 0.0
        self._last = time.monotonic()
        self._lock = threading.Lock()
        threading.Thread(target=self._beat, daemon=True).start()

    def now(self) -> float:
        """Seconds, from a beginning of its own, in which the process ran."""
        with self._lock:
            now = time.monotonic()
            gap, self._last = now - self._last, now
            if gap >= STOPPED_S:
                self.stops, self.stopped_s = self.stops + 1, self.stopped_s + gap
            return now - self.stopped_s

    def wait(self, what: Callable[[], object], timeout_s: float) -> bool:
        """Wait until `what` is true; False if it is not within so many seconds of running."""
        end = self.now() + timeout_s
        while not what():
            if self.now() > end:
                return False
            time.sleep(0.02)
        return True

    def _beat(self) -> None:
        while True:
            self.now()
            time.sleep(BEAT_S)
