"""One lifecycle for every thread of the agent."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod

from edge_agent.errors import MatecheckError
from edge_agent.log import event

log = logging.getLogger(__name__)

WAIT_S = 0.5  # longest wait for another thread in one step


class Worker(ABC):
    """A thread of the agent: set up, step until done or stopped, tear down.

    A step takes one turn and never waits longer than a second or so; longer waits go through `wait`. Whatever a step
    raises ends the run of the thread loudly; the supervisor starts it again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.done = False
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._beat = time.monotonic()

    def set_up(self) -> None:  # noqa: B027 - most workers need none
        """Acquire what the steps need, in the thread of the worker; called again at each restart."""

    @abstractmethod
    def step(self) -> bool:
        """Take one turn; False when the work is finished for good."""

    def tear_down(self) -> None:  # noqa: B027 - most workers need none
        """Release what `set_up` acquired, in the thread of the worker; also after a `set_up` that failed half-way."""

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the worker is asked to stop; True when it is."""
        end = time.monotonic() + seconds
        while not self.stopping.is_set() and (left := end - time.monotonic()) > 0:
            self._beat = time.monotonic()
            self.stopping.wait(min(left, 1.0))
        return self.stopping.is_set()

    def beat(self) -> None:
        """Give a sign of life: for steps of several parts that each may take long."""
        self._beat = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - self._beat

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._thread is not None

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin a run in a new thread."""
        self.failure = None
        self._beat = time.monotonic()
        # A daemon: a driver that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the run; False if it did not end in time."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return not self.alive

    def _run(self) -> None:
        try:
            try:
                self.set_up()
                while not self.stopping.is_set() and not self.done:
                    self._beat = time.monotonic()
                    self.done = not self.step()
            finally:
                self.tear_down()
        except MatecheckError as error:
            self.failure = error
            log.error(event("worker-failed", worker=self.name, why=error))
        except BaseException as error:  # the last handler of the thread: what nobody expected is shown in full
            self.failure = error
            log.exception(event("worker-crashed", worker=self.name))
