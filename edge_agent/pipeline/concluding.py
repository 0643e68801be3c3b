"""The thread behind the engine's: score maps to components and verdict, while the network looks at the next part."""

from __future__ import annotations

import logging
import queue
from dataclasses import dataclass, replace

from edge_agent.cameras.camera import Frame
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.inspector import Seen, conclude
from edge_agent.log import event
from edge_agent.pipeline.inspecting import SeenPart
from edge_agent.pipeline.triggers import Trigger
from edge_agent.pipeline.worker import WAIT_S, Worker
from edge_agent.results.result import EngineRef

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inspected:
    """A trigger with its outcome, on the way to the recorder. `frame` is None where there was none."""

    trigger: Trigger
    frame: Frame | None
    inspection: Inspection
    engine: EngineRef


class Concluding(Worker):
    """Components and verdict of parts in order."""

    def __init__(
        self, seen: queue.SimpleQueue[SeenPart | None], inspected: queue.SimpleQueue[Inspected | None]
    ) -> None:
        super().__init__("conclusion")
        self._seen, self._inspected = seen, inspected

    def step(self) -> bool:
        """Conclude one part; done after the last."""
        try:
            part = self._seen.get(timeout=WAIT_S)
        except queue.Empty:
            return True
        if part is None:
            return False
        inspection = _concluded(part.outcome)
        inspection = replace(inspection, timing_ms=part.waited_ms | inspection.timing_ms)
        self._inspected.put(Inspected(part.trigger, part.frame, inspection, part.engine))
        return True

    def tear_down(self) -> None:
        """Tell the recorder if this was the end."""
        if self.done:
            self._inspected.put(None)


def _concluded(outcome: Seen | Inspection) -> Inspection:
    if isinstance(outcome, Inspection):
        return outcome
    try:
        return conclude(outcome)
    except Exception as error:  # whatever it was: this part was not inspected, and the next one has to be
        log.exception(event("conclusion-crashed"))
        return Inspection(Verdict.ERROR, (Reason("internal", repr(error)),))
