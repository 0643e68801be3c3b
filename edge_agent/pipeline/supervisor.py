"""The one supervisor: restarts workers that failed, and knows when only a new process can help."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from edge_agent.log import event
from edge_agent.pipeline.worker import Worker

log = logging.getLogger(__name__)

RESTART_MIN_S, RESTART_MAX_S = 0.5, 30.0
SOUND_AFTER_S = 60.0  # a worker that ran so long is restarted without delay when it fails again
RECENT_S = 600.0  # restarts longer ago are forgotten


class Supervisor:
    """Starts workers, restarts those that failed with growing pauses, stops them in order. One thread owns it.

    A thread cannot be ended from outside. One that hangs, in a driver for example, keeps what it holds until the
    process ends; so does the cause of failures that come again and again. `lost` says so.

    Args:
        hang_s: a worker without a sign of life for so long hangs.
        restarts: of one worker within ten minutes, at most.
    """

    def __init__(self, workers: Sequence[Worker], hang_s: float = 20.0, restarts: int = 5) -> None:
        self.workers = tuple(workers)
        self._hang_s, self._restarts = hang_s, restarts
        self._started = dict.fromkeys(self.workers, 0.0)
        self._due = dict.fromkeys(self.workers, 0.0)
        self._pause = dict.fromkeys(self.workers, 0.0)
        self._recent: dict[Worker, deque[float]] = {worker: deque() for worker in self.workers}
        self._lost = ""
        self._watched: list[tuple[str, Callable[[], float], float]] = []

    def start(self, worker: Worker) -> None:
        """Start one of the workers."""
        self._started[worker], self._due[worker] = time.monotonic(), 0.0
        worker.start()

    def look(self) -> None:
        """Restart what failed and whose pause is over. Call it often; it never waits."""
        now = time.monotonic()
        for name, silent_s, hang_s in self._watched:
            if silent_s() > hang_s:
                self._lose(f"{name} hangs: no sign of life for {hang_s:g} s")
        for worker in self.workers:
            if worker.alive:
                if worker.silent_s > self._hang_s:
                    self._lose(f"{worker.name} hangs: no sign of life for {self._hang_s:g} s")
                continue
            if worker.done or not worker.started or worker.stopping.is_set():
                continue
            if not self._due[worker]:
                self._plan(worker, now)
            elif now >= self._due[worker]:
                self.start(worker)

    @property
    def lost(self) -> str:
        """Why only a new process can help; "" as long as it can be mended here."""
        return self._lost

    def watch(self, name: str, silent_s: Callable[[], float], hang_s: float) -> None:
        """Look after a thread, too, that is no worker: it is not restarted, but one that hangs is the end."""
        self._watched.append((name, silent_s, hang_s))

    def troubles(self) -> list[str]:
        """One text for each worker that failed and has not been restarted yet, and why all is lost if it is."""
        failed = [f"{worker.name}: {worker.failure}" for worker in self.workers if worker.failure and not worker.alive]
        return [*failed, self._lost] if self._lost else failed

    def stop(self, workers: Sequence[Worker], timeout_s: float) -> None:
        """Stop these workers one after the other; one that hangs is left behind and named."""
        for worker in workers:
            worker.stopping.set()
            if not worker.join(0.0 if worker.silent_s > self._hang_s else timeout_s):
                log.error(event("worker-hangs", worker=worker.name, after_s=timeout_s))

    def _plan(self, worker: Worker, now: float) -> None:
        recent = self._recent[worker]
        recent.append(now)
        while recent[0] < now - RECENT_S:
            recent.popleft()
        if len(recent) > self._restarts:
            self._lose(f"{worker.name} failed {len(recent)} times within {RECENT_S / 60:g} minutes: {worker.failure}")
        sound = now - self._started[worker] > SOUND_AFTER_S
        pause = RESTART_MIN_S if sound else min(max(2 * self._pause[worker], RESTART_MIN_S), RESTART_MAX_S)
        self._pause[worker], self._due[worker] = pause, now + pause
        log.warning(event("worker-restarts", worker=worker.name, in_s=pause))

    def _lose(self, why: str) -> None:
        if not self._lost:
            log.error(event("process-must-restart", why=why))
            self._lost = why
