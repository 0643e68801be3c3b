"""Accepted triggers on their way to a result. Every one that is accepted leaves with exactly one outcome."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone

from edge_agent.cameras.camera import Frame
from edge_agent.inspection.inspection import Reason
from edge_agent.results.identifiers import uuid7


@dataclass(frozen=True)
class Trigger:
    """A demand for one result.

    Attributes:
        kind: "free-run", "command", "camera" or "file", as it stands in the result.
        part_id: what the line calls the part; None if it did not say.
        id: of the result to come.
        trigger_id: what the sender calls this trigger; None if it did not say. The same one again is a duplicate.
        accepted_at: UTC.
        accepted_ns: time.monotonic_ns().
    """

    kind: str
    part_id: str | None = None
    id: str = field(default_factory=uuid7)
    trigger_id: str | None = None
    accepted_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    accepted_ns: int = field(default_factory=time.monotonic_ns)


Picture = Frame | Reason
"""What a trigger gets: a frame, or why there is none."""


@dataclass
class _Waiting:
    trigger: Trigger
    picture: Picture | None = None


class TriggerQueue:
    """The bounded hand-over between whoever triggers, capture and inspection. Any thread may call any method.

    A trigger is accepted, gets its picture, is taken (in the order of acceptance) and settled once its result is on
    disk. Until it is settled it counts against `limit`; beyond that triggers are refused, never dropped.

    Args:
        limit: triggers accepted and not settled, at most.
        deadline_s: a trigger without a picture so long after it was accepted gets Reason("no-frame") for one.
    """

    def __init__(self, limit: int, deadline_s: float) -> None:
        self._limit, self._deadline_ns = limit, int(deadline_s * 1e9)
        self._waiting: deque[_Waiting] = deque()
        self._taken = 0
        self._refusal: Reason | None = None
        self._no_frame: Reason | None = None
        self._closed = False
        self._changed = threading.Condition()

    def accept(self, trigger: Trigger, picture: Picture | None = None) -> Reason | None:
        """Take on a trigger, with its picture if that is there already. Returns None, or why it is refused."""
        with self._changed:
            if self._refusal:
                return self._refusal
            if len(self._waiting) + self._taken >= self._limit:
                return Reason("busy", f"{self._limit} triggers wait for their results; trigger slower, or raise queue")
            self._waiting.append(_Waiting(trigger, picture))
            self._changed.notify_all()
            return None

    def accept_newest(self, trigger: Trigger, frame: Frame) -> bool:
        """Free-run: like `accept`, but takes the place of the newest one not yet taken. True if a frame was dropped."""
        with self._changed:
            if self._waiting:
                self._waiting[-1] = _Waiting(trigger, frame)
                return True
        return self.accept(trigger, frame) is not None

    def refuse(self, reason: Reason | None) -> None:
        """Refuse new triggers for this reason from now on; None accepts again. Without effect once closed."""
        with self._changed:
            if not self._closed:
                self._refusal = reason
                self._changed.notify_all()

    def explain(self, reason: Reason | None) -> None:
        """Why there are no frames at present; it becomes the outcome of triggers whose deadline passes meanwhile."""
        with self._changed:
            self._no_frame = reason

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until nothing waits to be taken and a trigger would be accepted; False if not in that time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._refusal and not self._waiting and self._taken < self._limit, timeout_s
            )

    def without_picture(self, timeout_s: float) -> list[Trigger]:
        """The triggers that need a picture, oldest first; waits for one. Empty if none came in that time."""
        with self._changed:
            self._changed.wait_for(lambda: any(w.picture is None for w in self._waiting), timeout_s)
            return [waiting.trigger for waiting in self._waiting if waiting.picture is None]

    def give(self, trigger: Trigger, picture: Picture) -> None:
        """Hand a trigger its picture. Without effect if its deadline is over: it has got its outcome already."""
        with self._changed:
            for waiting in self._waiting:
                if waiting.trigger is trigger and waiting.picture is None:
                    waiting.picture = picture
                    self._changed.notify_all()

    def take(self, timeout_s: float) -> tuple[Trigger, Picture] | None:
        """The oldest trigger, as soon as it has its picture or its deadline is over; None if neither in that time."""
        end_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        with self._changed:
            while True:
                now_ns = time.monotonic_ns()
                wake_ns = end_ns
                if self._waiting:
                    first = self._waiting[0]
                    deadline_ns = first.trigger.accepted_ns + self._deadline_ns
                    if first.picture is None and now_ns >= deadline_ns:
                        seconds = f"{self._deadline_ns / 1e9:g}"
                        first.picture = self._no_frame or Reason("no-frame", f"no frame came within {seconds} s")
                    if first.picture is not None:
                        self._waiting.popleft()
                        self._taken += 1
                        return first.trigger, first.picture
                    wake_ns = min(end_ns, deadline_ns)
                if now_ns >= end_ns:
                    return None
                self._changed.wait((wake_ns - now_ns) / 1e9)

    def settle(self) -> None:
        """The result of one taken trigger is on disk: its place is free."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def close(self, reason: Reason) -> None:
        """Refuse new triggers for good; those that still wait for a picture get the reason instead."""
        with self._changed:
            self._refusal, self._closed = reason, True
            for waiting in self._waiting:
                waiting.picture = waiting.picture or reason
            self._changed.notify_all()

    @property
    def refusal(self) -> Reason | None:
        """Why every new trigger is refused; None while they are accepted."""
        with self._changed:
            return self._refusal

    @property
    def drained(self) -> bool:
        """Whether it is closed and every trigger has been taken."""
        with self._changed:
            return self._closed and not self._waiting

    @property
    def outstanding(self) -> int:
        """Triggers accepted and not settled."""
        with self._changed:
            return len(self._waiting) + self._taken
