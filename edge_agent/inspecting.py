"""The thread that owns the engine: registered parts in, inspections out. What fails becomes ERROR, never OK."""

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
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.inspector import Inspector, Registered
from edge_agent.log import event
from edge_agent.registering import Looked, LookedQueue
from edge_agent.results.result import EngineRef
from edge_agent.triggers import Trigger
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
    """Judges parts in order.

    An engine that fails is closed and loaded again for the next part; until that works each part is ERROR.

    Attributes:
        trouble: why nothing can be inspected at present; "" if nothing is known to be wrong.
        engine: which engine judges.
        ready: set once the engine has been loaded.
    """

    def __init__(
        self, load: Callable[[], Engine], looked: LookedQueue, inspected: queue.SimpleQueue[Inspected | None]
    ) -> None:
        super().__init__("inspection")
        self.trouble, self.engine = "", NO_ENGINE
        self.ready = threading.Event()
        self._load, self._looked, self._inspected = load, looked, inspected
        self._inspector: Inspector | None = None

    def set_up(self) -> None:
        """Load the engine, in the thread that will use it; at a restart that is left to the next part."""
        if not self.ready.is_set():
            self._inspector_ready()
            self.ready.set()

    def step(self) -> bool:
        """Judge one part; done after the last."""
        try:
            looked = self._looked.get(WAIT_S)
        except queue.Empty:
            return True
        if looked is None:
            return False
        waited_ms = _waited_ms(looked)
        outcome = looked.outcome
        inspection = self._judge(outcome) if isinstance(outcome, Registered) else outcome
        inspection = replace(inspection, timing_ms=waited_ms | inspection.timing_ms)
        self._inspected.put(Inspected(looked.trigger, looked.frame, inspection, self.engine))
        return True

    def tear_down(self) -> None:
        """Free the engine, and tell the recorder if this was the end."""
        self._forget()
        if self.done:
            self._inspected.put(None)

    def _judge(self, registered: Registered) -> Inspection:
        try:
            inspection = self._inspector_ready().judge(registered)
        except MatecheckError as error:
            inspection = Inspection(Verdict.ERROR, (Reason("engine", str(error)),))
        except Exception as error:  # whatever it was: this part was not inspected, and the next one has to be
            log.exception(event("inspection-crashed"))
            inspection = Inspection(Verdict.ERROR, (Reason("engine", repr(error)),))
        self._watch_engine(inspection)
        return inspection

    def _inspector_ready(self) -> Inspector:
        if self._inspector is None:
            engine = self._load()
            info = engine.info
            self.engine = EngineRef(f"{info.network} {info.version}", info.digest, engine.backend, info.precision)
            self._inspector = Inspector(engine)
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
        if self._inspector is not None:
            self._inspector.engine.close()
        self._inspector = None


def _waited_ms(looked: Looked) -> dict[str, float]:
    """How long the trigger waited for its frame, and the frame for its turns."""
    if looked.frame is None:
        return {}
    captured_ns = looked.frame.monotonic_ns
    capture_ms = max(captured_ns - looked.trigger.accepted_ns, 0) / 1e6
    queue_ms = (time.monotonic_ns() - captured_ns) / 1e6 - sum(looked.outcome.timing_ms.values())
    return {"capture": capture_ms, "queue": max(queue_ms, 0.0)}
