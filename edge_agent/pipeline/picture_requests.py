"""Pictures that somebody asks the camera's thread for, beside those for triggers."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from edge_agent.cameras.camera import Frame
from edge_agent.errors import CameraError


class PictureRequests:
    """Any thread may ask; the thread that owns the camera answers all who asked before it began to read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[Future[Frame]] = []

    def ask(self, timeout_s: float) -> Frame:
        """The next picture that the camera takes. Raises CameraError: none in that time, or why there is none."""
        answer: Future[Frame] = Future()
        with self._lock:
            self._asked.append(answer)
        try:
            return answer.result(timeout_s)
        except FutureTimeoutError as error:
            with self._lock:
                if answer in self._asked:
                    self._asked.remove(answer)
            raise CameraError(f"no picture came within {timeout_s:g} s") from error

    @property
    def waiting(self) -> bool:
        """Whether somebody asks."""
        with self._lock:
            return bool(self._asked)

    def take(self) -> list[Future[Frame]]:
        """Who asks now; each has to get a result."""
        with self._lock:
            asked, self._asked = self._asked, []
            return asked

    def put_back(self, asked: list[Future[Frame]]) -> None:
        """No picture came yet: they go on waiting."""
        with self._lock:
            self._asked += asked

    def fail(self, why: str) -> None:
        """There is no picture for those who ask now."""
        for answer in self.take():
            answer.set_exception(CameraError(why))
