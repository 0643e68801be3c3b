"""Accepted triggers on their way to a result. Every one that is accepted leaves with exactly one outcome."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from edge_agent.cameras.camera import Frame
from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Reason
from edge_agent.results.identifiers import uuid7

_NEVER = 2**63


@dataclass(frozen=True)
class Trigger:
    """A demand for one result.

    Attributes:
        kind: "free-run", "command", "camera" or "file", as it stands in the result.
        part_id: what the line calls the part; None if it did not say.
        id: of the result to come.
        trigger_id: what the sender calls this trigger; None if it did not say. The same one again is a duplicate.
        within_s: the sender cares for the result so long; None: as long as the agent's own deadline says.
        accepted_at: UTC.
        accepted_ns: time.monotonic_ns().
    """

    kind: str
    part_id: str | None = None
    id: str = field(default_factory=uuid7)
    trigger_id: str | None = None
    within_s: float | None = None
    accepted_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    accepted_ns: int = field(default_factory=time.monotonic_ns)

    @property
    def is_promise(self) -> bool:
        """Whether the line counts on its result: it is kept on disk, and has a deadline."""
        return self.kind in {"command", "camera"}


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
        deadline_s: a promised result is ERROR when it is not there so long after its trigger was accepted.
        journal: puts a promise on disk before it is accepted; what it raises refuses the trigger.
        alone: refuse a trigger while another one has no picture yet; a live camera would give both the same one.

    Attributes:
        on_change: called at each change, with the lock, by whatever thread; it must return soon.
    """

    def __init__(
        self,
        limit: int,
        deadline_s: float,
        journal: Callable[[Trigger], None] | None = None,
        alone: bool = False,
    ) -> None:
        self._limit, self._deadline_s = limit, deadline_s
        self._journal, self._alone = journal, alone
        self._waiting: deque[_Waiting] = deque()
        self._taken: dict[str, Trigger] = {}
        self._said: set[str] = set()  # overdue, and named
        self._reserved = 0
        self._refusals: dict[str, Reason] = {}
        self._no_frame: Reason | None = None
        self._closed: Reason | None = None
        self._changed = threading.Condition()
        self.on_change: Callable[[], None] = lambda: None

    def accept(self, trigger: Trigger, picture: Picture | None = None) -> Reason | None:
        """Take on a trigger, with its picture if that is there already. Returns None, or why it is refused.

        A promise is in the journal when this returns; without room there it is refused. Raises what else the journal
        raises.
        """
        with self._changed:
            refused = self._why_not()
            if refused:
                return refused
            self._reserved += 1
        try:
            if self._journal and trigger.is_promise:
                self._journal(trigger)  # may wait for the disk: nobody else has to meanwhile
        except StorageError as error:
            self._give_back()
            return Reason("storage", str(error))
        except BaseException:
            self._give_back()
            raise
        with self._changed:
            self._reserved -= 1
            self._waiting.append(_Waiting(trigger, picture or self._closed))
            self._notify()
            return None

    def accept_newest(self, trigger: Trigger, frame: Frame) -> bool:
        """Free-run: like `accept`, but takes the place of the newest frame not yet taken. True if one was dropped."""
        with self._changed:
            if self._waiting and isinstance(self._waiting[-1].picture, Frame):  # an ERROR has its own result
                self._waiting[-1] = _Waiting(trigger, frame)
                return True
        return self.accept(trigger, frame) is not None

    def refuse(self, reason: Reason | None, source: str) -> None:
        """Refuse new triggers for this reason from now on; None lifts what the same source refused."""
        with self._changed:
            if reason:
                self._refusals[source] = reason
            else:
                self._refusals.pop(source, None)
            self._notify()

    def explain(self, reason: Reason | None) -> None:
        """Why there are no frames at present; it becomes the outcome of triggers whose deadline passes meanwhile."""
        with self._changed:
            self._no_frame = reason

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until nothing waits to be taken and a trigger would be accepted; False if not in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._why_not(), timeout_s)

    def wait_until_settled(self, timeout_s: float) -> bool:
        """Wait until no trigger is without its result; False if not in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count(), timeout_s)

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
                    self._notify()

    def take(self, timeout_s: float) -> tuple[Trigger, Picture] | None:
        """The oldest trigger, as soon as it has its picture or its deadline is over; None if neither in that time."""
        end_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        with self._changed:
            while True:
                now_ns = time.monotonic_ns()
                wake_ns = end_ns
                if self._waiting:
                    first = self._waiting[0]
                    deadline_ns = self._deadline_ns(first.trigger)
                    if now_ns >= deadline_ns:
                        first.picture = self._too_late(first)
                    if first.picture is not None:
                        self._waiting.popleft()
                        self._taken[first.trigger.id] = first.trigger
                        self._notify()
                        return first.trigger, first.picture
                    wake_ns = min(end_ns, deadline_ns)
                if now_ns >= end_ns:
                    return None
                self._changed.wait((wake_ns - now_ns) / 1e9)

    def overdue(self) -> list[tuple[Trigger, Reason]]:
        """Promises that were taken and are not settled although their deadline is over; each is named once."""
        now_ns = time.monotonic_ns()
        with self._changed:
            late = [
                trigger
                for trigger in self._taken.values()
                if now_ns >= self._deadline_ns(trigger) and trigger.id not in self._said
            ]
            self._said = {trigger.id for trigger in late} | (self._said & self._taken.keys())
        return [(trigger, Reason("deadline", f"not inspected within {self._within(trigger):g} s")) for trigger in late]

    def settle(self, trigger: Trigger) -> None:
        """The result of a taken trigger is on disk: its place is free. Once more is without effect."""
        with self._changed:
            self._taken.pop(trigger.id, None)
            self._notify()

    def close(self, reason: Reason) -> None:
        """Refuse new triggers for good; those that still wait for a picture get the reason instead."""
        with self._changed:
            self._closed = reason
            for waiting in self._waiting:
                waiting.picture = waiting.picture or reason
            self._notify()

    @property
    def refusals(self) -> dict[str, Reason]:
        """Why every new trigger is refused, by source; empty while they are accepted."""
        with self._changed:
            return dict(self._refusals)

    @property
    def why_not_ready(self) -> Reason | None:
        """Why a trigger that came now would be refused; None if it would be accepted."""
        with self._changed:
            return self._why_not()

    @property
    def drained(self) -> bool:
        """Whether it is closed and every trigger has been taken."""
        with self._changed:
            return bool(self._closed) and not self._waiting and not self._reserved

    @property
    def outstanding(self) -> int:
        """Triggers accepted and not settled."""
        with self._changed:
            return self._count()

    def _give_back(self) -> None:
        with self._changed:
            self._reserved -= 1
            self._notify()

    # From here on: with the lock.

    def _notify(self) -> None:
        self._changed.notify_all()
        self.on_change()

    def _count(self) -> int:
        return len(self._waiting) + len(self._taken) + self._reserved

    def _why_not(self) -> Reason | None:
        if self._closed:
            return self._closed
        if self._refusals:
            return next(iter(self._refusals.values()))
        if self._count() >= self._limit:
            return Reason("busy", f"{self._limit} triggers wait for their results; trigger slower, or raise queue")
        if self._alone:
            before = next((waiting.trigger for waiting in self._waiting if waiting.picture is None), None)
            if before or self._reserved:
                which = f"of part {before.part_id} " if before else ""
                return Reason("overlap", f"the picture {which}has not been taken yet; wait for ready")
        return None

    def _within(self, trigger: Trigger) -> float:
        return self._deadline_s if trigger.within_s is None else min(trigger.within_s, self._deadline_s)

    def _deadline_ns(self, trigger: Trigger) -> int:
        return trigger.accepted_ns + int(self._within(trigger) * 1e9) if trigger.is_promise else _NEVER

    def _too_late(self, waiting: _Waiting) -> Picture:
        seconds = f"{self._within(waiting.trigger):g} s"
        if isinstance(waiting.picture, Frame):
            return Reason("deadline", f"its turn did not come within {seconds}")
        return waiting.picture or self._no_frame or Reason("no-frame", f"no frame came within {seconds}")
