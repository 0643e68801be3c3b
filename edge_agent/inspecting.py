"""The thread that owns the engine: pictures in, inspections out. What cannot be inspected becomes ERROR, never OK."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_agent.cameras.camera import Frame
from edge_agent.engines import Engine
from edge_agent.errors import MatecheckError
from edge_agent.inspection import quality
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from edge_agent.log import event
from edge_agent.results.result import EngineRef
from edge_agent.triggers import Picture, Trigger, TriggerQueue
from edge_agent.worker import Worker

log = logging.getLogger(__name__)

WAIT_S = 0.5  # longest wait for another thread in one step
NO_ENGINE = EngineRef(name="", digest="", backend="", precision="")


@dataclass(frozen=True)
class Inspected:
    """A trigger with its outcome, on the way to the recorder. `frame` is None where there was none."""

    trigger: Trigger
    frame: Frame | None
    inspection: Inspection
    engine: EngineRef


class Inspecting(Worker):
    """Takes triggers in order and inspects their pictures.

    An engine that fails is closed and loaded again for the next part; until that works each part is ERROR.

    Args:
        live: the frames come from a live camera; if one is identical to the one before, the camera is frozen.

    Attributes:
        trouble: why nothing can be inspected at present; "" if nothing is known to be wrong.
        engine: which engine judges.
        ready: set once the engine has been loaded.
    """

    def __init__(
        self,
        load: Callable[[], Engine],
        recipe: Recipe,
        triggers: TriggerQueue,
        inspected: queue.SimpleQueue[Inspected | None],
        live: bool,
    ) -> None:
        super().__init__("inspection")
        self.trouble, self.engine = "", NO_ENGINE
        self.ready = threading.Event()
        self._load, self._recipe = load, recipe
        self._triggers, self._inspected = triggers, inspected
        self._loaded: Engine | None = None
        self._inspector: Inspector | None = None
        self._live = live
        self._previous: Frame | None = None

    def set_up(self) -> None:
        """Load the engine, in the thread that will use it; at a restart that is left to the next part."""
        if not self.ready.is_set():
            self._engine_ready()
            self.ready.set()

    def step(self) -> bool:
        """Inspect one part; done when the triggers are closed and all taken."""
        taken = self._triggers.take(WAIT_S)
        if taken is None:
            return not self._triggers.drained
        trigger, picture = taken
        began_ns = time.monotonic_ns()
        inspection = self._outcome(picture)
        frame = picture if isinstance(picture, Frame) else None
        if frame:
            captured_ns = frame.monotonic_ns
            stages = {"capture": max(captured_ns - trigger.accepted_ns, 0), "queue": max(began_ns - captured_ns, 0)}
            timing = {stage: ns / 1e6 for stage, ns in stages.items()} | inspection.timing_ms
            inspection = replace(inspection, timing_ms=timing)
        self._inspected.put(Inspected(trigger, frame, inspection, self.engine))
        return True

    def tear_down(self) -> None:
        """Free the engine, and tell the recorder if this was the end."""
        self._forget()
        if self.done:
            self._inspected.put(None)

    def _outcome(self, picture: Picture) -> Inspection:
        if isinstance(picture, Reason):
            return Inspection(Verdict.ERROR, (picture,))
        try:
            previous = self._digest_before(picture)
            inspection = self._engine_ready().inspect(picture.image, self._recipe, previous_digest=previous)
        except MatecheckError as error:
            inspection = Inspection(Verdict.ERROR, (Reason("engine", str(error)),))
        except Exception as error:  # whatever it was: this part was not inspected, and the next one has to be
            log.exception(event("inspection-crashed"))
            inspection = Inspection(Verdict.ERROR, (Reason("engine", repr(error)),))
        self._watch_engine(inspection)
        return inspection

    def _digest_before(self, frame: Frame) -> str | None:
        previous, self._previous = self._previous, frame if self._live else None
        if previous is None or previous.number == frame.number:  # one frame may serve several triggers
            return None
        return quality.digest(previous.image)

    def _engine_ready(self) -> Inspector:
        if self._inspector is None:
            self._loaded = self._load()
            info = self._loaded.info
            self.engine = EngineRef(f"{info.network} {info.version}", info.digest, self._loaded.backend, info.precision)
            self._inspector = Inspector(self._loaded)
            log.info(event("engine-loaded", engine=self.engine.name, backend=self.engine.backend))
        return self._inspector

    def _watch_engine(self, inspection: Inspection) -> None:
        why = next((reason.text for reason in inspection.reasons if reason.code == "engine"), "")
        if why:
            if not self.trouble:
                log.error(event("engine-failed", why=why))
            self._forget()
        self.trouble = why

    def _forget(self) -> None:
        if self._loaded is not None:
            self._loaded.close()
        self._loaded, self._inspector = None, None
