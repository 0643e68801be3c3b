"""The thread before the engine's: takes triggers in order, checks their pictures and registers them."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.cameras.camera import Frame
from edge_agent.engines import ModelInfo
from edge_agent.inspection import quality
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.registration import Registered, Registrar
from edge_agent.log import event
from edge_agent.pipeline.active_recipe import ActiveRecipe
from edge_agent.pipeline.triggers import Picture, Trigger, TriggerQueue
from edge_agent.pipeline.worker import WAIT_S, Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegisteredPart:
    """A trigger with its frame, registered or already judged; `frame` is None where there was none."""

    trigger: Trigger
    frame: Frame | None
    outcome: Registered | Inspection


class RegisteredQueue:
    """Hand-over to the engine's thread, one deep: the next part is registered while the network looks at this one.

    None is the end. Room is asked for before a trigger is taken, so that free-run takes the newest frame.
    """

    def __init__(self) -> None:
        self._items: queue.SimpleQueue[RegisteredPart | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(1)

    def reserve(self, timeout_s: float) -> bool:
        """Wait for room, and take it; False if there was none in that time."""
        return self._room.acquire(timeout=timeout_s)

    def release(self) -> None:
        """Give back room that was reserved and not used."""
        self._room.release()

    def put(self, item: RegisteredPart | None) -> None:
        """Use the room that was reserved; the end needs none."""
        self._items.put(item)

    def get(self, timeout_s: float) -> RegisteredPart | None:
        """The next one, or None at the end. Raises queue.Empty if nothing came in that time."""
        item = self._items.get(timeout=timeout_s)
        if item is not None:
            self._room.release()
        return item


class Registering(Worker):
    """Quality gate and registration.

    Args:
        model: what will look at the parts; None as long as that is not known.
        live: the frames come from a live camera; if one is identical to the one before, the camera is frozen.
    """

    def __init__(
        self,
        recipe: ActiveRecipe,
        triggers: TriggerQueue,
        registered: RegisteredQueue,
        model: Callable[[], ModelInfo | None],
        live: bool,
    ) -> None:
        super().__init__("registration")
        self._model = model
        self._recipe, self._triggers, self._registered, self._live = recipe, triggers, registered, live
        self._registrar = Registrar()
        self._previous: Frame | None = None

    def step(self) -> bool:
        """Register one part; done when the triggers are closed and all taken."""
        if not self._registered.reserve(WAIT_S):
            return True
        taken = self._triggers.take(WAIT_S)
        if taken is None:
            self._registered.release()
            return not self._triggers.drained
        trigger, picture = taken
        frame = picture if isinstance(picture, Frame) else None
        self._registered.put(RegisteredPart(trigger, frame, self._outcome(picture)))
        return True

    def tear_down(self) -> None:
        """Tell the next thread if this was the end."""
        if self.done:
            self._registered.put(None)

    def _outcome(self, picture: Picture) -> Registered | Inspection:
        if isinstance(picture, Reason):
            return Inspection(Verdict.ERROR, (picture,))
        try:
            digest = self._digest_before(picture)
            return self._registrar.register(
                picture.image, self._recipe.current, previous_digest=digest, model=self._model()
            )
        except Exception as error:  # whatever it was: this part was not inspected, and the next one has to be
            log.exception(event("registration-crashed"))
            return Inspection(Verdict.ERROR, (Reason("internal", repr(error)),))

    def _digest_before(self, frame: Frame) -> str | None:
        previous, self._previous = self._previous, frame if self._live else None
        if previous is None or previous.number == frame.number:  # one frame may serve several triggers
            return None
        return quality.digest(previous.image)
