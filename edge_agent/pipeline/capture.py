"""The threads that own the camera: one way to capture for each way to trigger."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections import deque
from concurrent.futures import Future

from edge_agent.backoff import Backoff
from edge_agent.cameras.camera import Camera, Frame, NoPictureYetError
from edge_agent.config import Settings
from edge_agent.errors import CameraError, ImageError, MatecheckError
from edge_agent.inspection.inspection import Reason
from edge_agent.log import event
from edge_agent.pipeline.picture_requests import PictureRequests
from edge_agent.pipeline.triggers import Picture, Trigger, TriggerQueue
from edge_agent.pipeline.worker import Worker

log = logging.getLogger(__name__)

REOPEN_MIN_S, REOPEN_MAX_S = 0.5, 30.0
WAIT_S = 0.5  # longest wait for another thread in one step
MOST_OWED = 10_000  # ERROR results that wait for room


class Capture(Worker):
    """Owns the camera: opens it, and opens it again for ever when it has gone away.

    Attributes:
        trouble: why there are no frames at present; "" if nothing is known to be wrong.
        requests: who wants a picture without an inspection asks here.
    """

    def __init__(self, camera: Camera, triggers: TriggerQueue) -> None:
        super().__init__("capture")
        self.camera, self.triggers = camera, triggers
        self.trouble = ""
        self.requests = PictureRequests()
        self._opened = False
        self._backoff = Backoff(REOPEN_MIN_S, REOPEN_MAX_S)

    def step(self) -> bool:
        """One turn with an open camera, or one attempt to open it."""
        try:
            if not self._opened:
                self.camera.open()
                self._opened = True
                log.info(event("camera-open", camera=self.camera.name))
                if self.camera.on_demand:  # the next picture may be hours away
                    self._well()
            return self.turn()
        except CameraError as error:
            self._lost(error)
            return True

    def tear_down(self) -> None:
        """Release the camera."""
        self._opened = False
        self.camera.close()

    @abstractmethod
    def turn(self) -> bool:
        """Take pictures for triggers; False when the source has come to its end. May raise CameraError."""

    def lost(self, reason: Reason) -> None:
        """Called once at each loss of the camera."""

    def read(self) -> Picture | None:
        """The next frame, or why it is none; None at the end of a finite source."""
        asked = self.requests.take()  # before the reading begins: nobody wants a picture older than the question
        try:
            frame = self.camera.read()
        except ImageError as error:
            log.warning(event("bad-picture", camera=self.camera.name, why=error))
            _answer(asked, error)
            return Reason("bad-picture", str(error))
        except NoPictureYetError:
            self.requests.put_back(asked)
            raise
        except CameraError as error:
            _answer(asked, error)
            raise
        _answer(asked, frame or CameraError(f"{self.camera.name} has come to its end"))
        self._well()
        return frame

    def _well(self) -> None:
        if self.trouble:
            log.info(event("camera-back", camera=self.camera.name))
        self.trouble = ""
        self._backoff.reset()
        self.triggers.explain(None)

    def _lost(self, error: CameraError) -> None:
        self.beat()  # to close what does not answer may take seconds too
        self.camera.close()
        self._opened = False
        pause_s = self._backoff.pause()
        if not self.trouble:
            log.error(event("camera-lost", camera=self.camera.name, why=error))
            self.lost(Reason("camera-lost", str(error)))
        self.requests.fail(str(error))
        self.trouble = f"{error}; next try in {pause_s:.1f} s"
        self.triggers.explain(Reason("camera-lost", str(error)))
        self.wait(pause_s)


def _answer(asked: list[Future[Frame]], answer: Frame | MatecheckError) -> None:
    for future in asked:
        if isinstance(answer, MatecheckError):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class CommandCapture(Capture):
    """A frame for each accepted trigger, captured after the trigger came.

    A live camera delivers whether it is read or not: it is read all the time, so that nothing old waits in its driver,
    and a trigger gets the first frame whose reading began after it. Other sources, and a camera that takes a picture
    when it is read, are read once a trigger.
    """

    def __init__(self, camera: Camera, triggers: TriggerQueue, live: bool) -> None:
        super().__init__(camera, triggers)
        self._live = live and not camera.on_demand
        self._ended: Reason | None = None

    def turn(self) -> bool:
        """Read for the triggers that wait."""
        wanted = self.triggers.without_picture(0 if self._live else WAIT_S)
        if not wanted and not self._live and not self.requests.waiting:
            self.camera.check()
            return True
        picture = self._ended or self.read()
        if picture is None:
            self._ended = Reason("no-frame", f"{self.camera.name} has come to its end")
            self.trouble = self._ended.text
            picture = self._ended
            log.error(event("camera-ended", camera=self.camera.name))
        for trigger in wanted if self._live else wanted[:1]:
            self.triggers.give(trigger, picture)
        if self._live and self._ended:
            self.wait(WAIT_S)
        return True


class CameraTriggeredCapture(Capture):
    """A light barrier triggers the camera: each picture that it sends is a part, none is left out.

    The line does not wait for us. A part that comes while triggers are refused gets its ERROR as soon as there is room.
    """

    def __init__(self, camera: Camera, triggers: TriggerQueue) -> None:
        super().__init__(camera, triggers)
        self._owed: deque[tuple[Trigger, Reason]] = deque()

    def turn(self) -> bool:
        """Take on the next part."""
        try:
            picture = self.read()
        except NoPictureYetError:
            self._settle()
            return True
        if picture is None:
            return False
        trigger = Trigger("camera")
        refused = Reason("busy", "parts before it wait") if not self._settle() else None
        refused = refused or self.triggers.accept(trigger, picture)
        if refused:
            self._owe(trigger, refused)
        return True

    def lost(self, reason: Reason) -> None:
        """One ERROR says that parts may pass unseen from now on."""
        self._owe(Trigger("camera"), reason)
        self._settle()

    def _owe(self, trigger: Trigger, reason: Reason) -> None:
        log.warning(event("part-not-inspected", id=trigger.id, code=reason.code, why=reason.text))
        if len(self._owed) < MOST_OWED:
            self._owed.append((trigger, reason))
        else:
            log.error(event("result-lost", id=trigger.id, why=f"{MOST_OWED} parts wait for their ERROR already"))

    def _settle(self) -> bool:
        """Hand over what parts are owed, in their order; False if some must wait."""
        while self._owed and not self.triggers.accept(*self._owed[0]):
            self._owed.popleft()
        return not self._owed


class SelfTriggeredCapture(Capture):
    """Free-run and folder: frames trigger by themselves, one each `interval_s`.

    A live camera is read all the time and keeps its newest frame; of other sources every picture gets its result.
    """

    def __init__(self, camera: Camera, triggers: TriggerQueue, live: bool, kind: str, interval_s: float) -> None:
        super().__init__(camera, triggers)
        self._live, self._kind, self._interval_s = live, kind, interval_s
        self._due = 0.0
        self._kept: Picture | None = None

    def turn(self) -> bool:
        """Take one picture, if it is time and there is room."""
        if not self._live:
            if self.wait(self._due - time.monotonic()) or not self.triggers.wait_for_room(WAIT_S):
                return True
            self._due = max(self._due + self._interval_s, time.monotonic())
        picture = self._kept or self.read()
        if picture is None:
            log.info(event("camera-ended", camera=self.camera.name))
            return False
        if not self._live:
            refused = self.triggers.accept(Trigger(self._kind), picture)
            self._kept = picture if refused else None
        elif time.monotonic() >= self._due:
            self._due = max(self._due + self._interval_s, time.monotonic())
            self._hand_over_newest(picture)
        return True

    def lost(self, reason: Reason) -> None:
        """Nobody asks in free-run: one ERROR says that the last result is no longer the state of the line."""
        self.triggers.accept(Trigger(self._kind), reason)

    def _hand_over_newest(self, picture: Picture) -> None:
        if isinstance(picture, Frame):
            self.triggers.accept_newest(Trigger(self._kind), picture)
        else:
            self.triggers.accept(Trigger(self._kind), picture)


def make_capture(settings: Settings, camera: Camera, triggers: TriggerQueue) -> Capture:
    """What takes the pictures in the trigger mode of these settings."""
    live, mode = settings.camera.live, settings.trigger.mode
    if mode == "command":
        return CommandCapture(camera, triggers, live)
    if mode == "camera":
        return CameraTriggeredCapture(camera, triggers)
    if mode == "folder":
        return SelfTriggeredCapture(camera, triggers, live, "file", 0.0)
    return SelfTriggeredCapture(camera, triggers, live, "free-run", settings.trigger.interval_s)
