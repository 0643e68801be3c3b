"""The thread that owns the engine: registered parts in, what the network saw out. What fails is ERROR, never OK."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass

from edge_agent.cameras.camera import Frame
from edge_agent.engines import Engine, ModelInfo
from edge_agent.engines.source import EngineSource
from edge_agent.errors import MatecheckError
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.inspector import Inspector, Seen
from edge_agent.inspection.registration import Registered
from edge_agent.log import event
from edge_agent.pipeline.registering import RegisteredPart, RegisteredQueue
from edge_agent.pipeline.triggers import Trigger
from edge_agent.pipeline.worker import WAIT_S, Worker
from edge_agent.results.result import EngineRef

log = logging.getLogger(__name__)

NO_ENGINE = EngineRef(name="", digest="", backend="", precision="")


@dataclass(frozen=True, eq=False)
class SeenPart:
    """A trigger with what the network saw, or with the outcome where it never came to that; `frame` None: no picture.

    Attributes:
        waited_ms: how long the trigger waited for its frame, and the frame for its turns.
    """

    trigger: Trigger
    frame: Frame | None
    outcome: Seen | Inspection
    engine: EngineRef
    waited_ms: dict[str, float]


class Inspecting(Worker):
    """Runs the network on parts in order.

    An engine that fails is closed and loaded again for the next part; until that works each part is ERROR. An engine
    that is activated meanwhile is taken between two parts.

    Attributes:
        trouble: why nothing can be inspected at present, or not by the engine that was wanted; "" if all is well.
        engine: which engine looks.
        model: what its model says of itself; None before the first.
        ready: set once the engine has been loaded.
    """

    def __init__(
        self, source: EngineSource, registered: RegisteredQueue, seen: queue.SimpleQueue[SeenPart | None]
    ) -> None:
        super().__init__("inspection")
        self.trouble, self.engine = "", NO_ENGINE
        self.model: ModelInfo | None = None
        self.ready = threading.Event()
        self._source, self._registered, self._seen = source, registered, seen
        self._inspector: Inspector | None = None
        self._failing = False

    def set_up(self) -> None:
        """Load the engine, in the thread that will use it; at a restart that is left to the next part."""
        if not self.ready.is_set():
            self._inspector_ready()
            self.ready.set()

    def step(self) -> bool:
        """Look at one part; done after the last."""
        self._take_newer()
        try:
            registered = self._registered.get(WAIT_S)
        except queue.Empty:
            return True
        if registered is None:
            return False
        waited_ms = _waited_ms(registered)
        ready = registered.outcome
        outcome = self._look(ready) if isinstance(ready, Registered) else ready
        self._seen.put(SeenPart(registered.trigger, registered.frame, outcome, self.engine, waited_ms))
        return True

    def tear_down(self) -> None:
        """Free the engine, and tell the next thread if this was the end."""
        self._forget()
        if self.done:
            self._seen.put(None)

    def _look(self, registered: Registered) -> Seen | Inspection:
        try:
            outcome = self._inspector_ready().look(registered)
        except MatecheckError as error:
            outcome = Inspection(Verdict.ERROR, (Reason("engine", str(error)),))
        except Exception as error:  # whatever it was: this part was not inspected, and the next one has to be
            log.exception(event("inspection-crashed"))
            outcome = Inspection(Verdict.ERROR, (Reason("engine", repr(error)),))
        self._watch_engine(outcome)
        return outcome

    def _inspector_ready(self) -> Inspector:
        if self._inspector is None:
            self._inspector = self._use(self._source.load())
        return self._inspector

    def _take_newer(self) -> None:
        """Exchange the engine if another one was activated: the new one works before the old one is let go."""
        if self._inspector is None:
            return  # the next part loads what is current then
        old = self._inspector.engine
        newer = self._source.newer(old)
        if newer is not None:
            self._inspector = self._use(newer)
            old.close()
        if not self._failing:
            self.trouble = self._doubts(self._inspector.engine)

    def _use(self, engine: Engine) -> Inspector:
        self.model = info = engine.info
        self.engine = EngineRef(f"{info.network} {info.version}", info.digest, engine.backend, info.precision)
        if not self._failing:
            self.trouble = self._doubts(engine)
        log.info(
            event(
                "engine-loaded",
                engine=self.engine.name,
                precision=info.precision,
                backend=engine.backend,
                runtime=engine.runtime,
                degraded=engine.degraded,
            )
        )
        return Inspector(engine)

    def _doubts(self, engine: Engine) -> str:
        return "; ".join(filter(None, (engine.degraded, self._source.trouble)))

    def _watch_engine(self, outcome: Seen | Inspection) -> None:
        why = outcome.reasons[0].text if isinstance(outcome, Inspection) else ""
        if not why and self._inspector is not None:
            self._source.worked()
            self._failing, self.trouble = False, self._doubts(self._inspector.engine)
            return
        if not self._failing:
            log.error(event("engine-failed", why=why))
        if self._inspector is not None:
            self._source.failed(self._inspector.engine, why)
        self._forget()
        self._failing, self.trouble = True, why

    def _forget(self) -> None:
        if self._inspector is not None:
            self._inspector.engine.close()
        self._inspector = None


def _waited_ms(registered: RegisteredPart) -> dict[str, float]:
    """How long the trigger waited for its frame, and the frame for its turns."""
    if registered.frame is None:
        return {}
    captured_ns = registered.frame.monotonic_ns
    capture_ms = max(captured_ns - registered.trigger.accepted_ns, 0) / 1e6
    queue_ms = (time.monotonic_ns() - captured_ns) / 1e6 - sum(registered.outcome.timing_ms.values())
    return {"capture": capture_ms, "queue": max(queue_ms, 0.0)}
