"""The thread that puts results on disk: outbox first, then the archive. Inspection does not wait for it."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from edge_agent import health
from edge_agent.commands.acknowledge import UNACKNOWLEDGED, await_acknowledgement
from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.log import event
from edge_agent.pipeline.active_recipe import ActiveRecipe
from edge_agent.pipeline.concluding import Inspected
from edge_agent.pipeline.triggers import TriggerQueue
from edge_agent.pipeline.worker import WAIT_S, Worker
from edge_agent.results.archive import Archive
from edge_agent.results.outbox import AnsweredError, Outbox
from edge_agent.results.result import Result
from edge_agent.results.samples import Samples
from edge_agent.results.thumbnail import render_thumbnail

log = logging.getLogger(__name__)

RETRY_S = 1.0


@dataclass(frozen=True)
class Tally:
    """Results recorded since the start of the process."""

    ok: int = 0
    ng: int = 0
    error: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.ok + self.ng + self.error

    def plus(self, verdict: Verdict) -> Tally:
        """With one more result."""
        field = verdict.value.lower()
        return replace(self, **{field: getattr(self, field) + 1})


class Recorder(Worker):
    """Makes a Result of each outcome, commits it to the outbox, wakes the publisher, archives what was not OK.

    Pictures for a calibration are offered last, when the result is safe and on its way.

    Without room on the disk an outcome becomes ERROR and is tried again until it is recorded: no accepted trigger
    stays without its result as long as the process lives.

    Attributes:
        trouble: why results cannot be recorded at present; "" if nothing is known to be wrong.
        tally: what was recorded.
    """

    def __init__(
        self,
        inspected: queue.SimpleQueue[Inspected | None],
        triggers: TriggerQueue,
        outbox: Outbox,
        archive: Archive | None,
        *,
        device: str,
        recipe: ActiveRecipe,
        thumbnail_width_px: int,
        thumbnail_heat: bool,
        samples: Samples,
        recorded: Callable[[], None],
        acknowledge: bool = False,
    ) -> None:
        super().__init__("recorder")
        self.trouble, self.tally = "", Tally()
        self._inspected, self._triggers, self._outbox, self._archive = inspected, triggers, outbox, archive
        self._device, self._recipe, self._width = device, recipe, thumbnail_width_px
        self._heat = thumbnail_heat
        self._samples, self._recorded = samples, recorded
        self._acknowledge = acknowledge
        self._held: Inspected | None = None

    def step(self) -> bool:
        """Record one outcome; done after the last."""
        if self._held is None:
            try:
                item = self._inspected.get(timeout=WAIT_S)
            except queue.Empty:
                return True
            if item is None:
                return False
            self._held = item
        try:
            result = self._record(self._held)
        except AnsweredError as error:  # the deadline has passed meanwhile, and that was said
            log.warning(event("too-late", part=self._held.trigger.part_id, why=error))
            self._triggers.settle(self._held.trigger)
            if not self._outbox.unconfirmed():
                self._triggers.refuse(None, UNACKNOWLEDGED)
            self._held = None
            return True
        except StorageError as error:
            self._no_room(self._held, error)
            return True
        self._settled(self._held, result)
        self._held = None
        return True

    def _record(self, item: Inspected) -> Result:
        awaited = self._acknowledge and item.trigger.kind == "command"
        if awaited:  # before anybody can see the result, and acknowledge it
            await_acknowledgement(self._triggers, item.trigger.id)
        return self._outbox.record(
            lambda seq: self._result(seq, item), self._thumbnail(item), awaits_confirmation=awaited
        )

    def _thumbnail(self, item: Inspected) -> bytes | None:
        if not self._width or item.frame is None or self.trouble:  # where room is short the result comes first
            return None
        try:
            return render_thumbnail(item.frame.image, item.inspection, self._width, heat=self._heat)
        except Exception:  # no result may be missing because its picture could not be drawn
            log.exception(event("no-thumbnail", part=item.trigger.part_id))
            return None

    def _result(self, seq: int, item: Inspected) -> Result:
        trigger, frame, inspection, recipe = item.trigger, item.frame, item.inspection, self._recipe.current
        captured_at: datetime = frame.captured_at if frame else trigger.accepted_at
        began_ns = min(trigger.accepted_ns, frame.monotonic_ns) if frame else trigger.accepted_ns
        return Result(
            id=trigger.id,
            seq=seq,
            device=self._device,
            captured_at=captured_at,
            clock_synced=health.clock_synced(),
            recipe=recipe.name,
            recipe_version=recipe.version,
            part_id=trigger.part_id,
            trigger=trigger.kind,
            trigger_id=trigger.trigger_id,
            verdict=inspection.verdict,
            reasons=inspection.reasons,
            score=inspection.score,
            components=inspection.components,
            components_total=inspection.components_total,
            engine=item.engine,
            timing_ms=inspection.timing_ms | {"total": (time.monotonic_ns() - began_ns) / 1e6},
            source=frame.source if frame else "",
        )

    def _settled(self, item: Inspected, result: Result) -> None:
        self.tally = self.tally.plus(result.verdict)
        recipe = self._recipe.current  # another one may be selected as soon as the place is free
        self._triggers.settle(item.trigger)  # first: who has the result may trigger again
        self._recorded()
        why = "; ".join(reason.text for reason in result.reasons)
        log.info(
            event(
                "result",
                seq=result.seq,
                part=result.part_id,
                source=result.source if result.trigger == "file" else None,
                verdict=result.verdict.value,
                ms=round(result.timing_ms["total"]),
                why=why,
            )
        )
        if self.trouble:
            log.info(event("recording-again"))
        self.trouble = ""
        if self._archive and item.frame and result.verdict is not Verdict.OK:
            try:
                self._archive.save(result, item.frame.image)
            except StorageError as error:  # the result itself is safe
                log.warning(event("not-archived", seq=result.seq, why=error))
        if item.frame:
            self._samples.offer(result.id, item.frame.image, recipe, item.inspection)

    def _no_room(self, item: Inspected, error: StorageError) -> None:
        if not self.trouble:
            log.error(event("not-recorded", part=item.trigger.part_id, why=error))
        self.trouble = str(error)
        self._held = replace(item, inspection=Inspection(Verdict.ERROR, (Reason("storage", str(error)),)))
        if self.wait(RETRY_S):
            # A promise is on disk since it was accepted: it gets its ERROR at the next start.
            what = "result-at-next-start" if item.trigger.is_promise else "result-lost"
            log.error(event(what, id=item.trigger.id, part=item.trigger.part_id, why=error))
