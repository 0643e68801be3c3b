"""Where the pictures of a calibration set come from: the running agent, or the camera itself while it is stopped."""

from __future__ import annotations

import fcntl
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationError
from edge_agent.cameras.camera import Camera
from edge_agent.errors import ImageError, StorageError
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Verdict
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from edge_agent.results.samples import SampleFolder

LOOK_S = 0.2


@dataclass(frozen=True, eq=False)
class Candidate:
    """A picture of an inspected part.

    Attributes:
        image: BGR uint8 [H, W, 3], the full frame.
        recipe: key of the recipe that it was inspected under.
        has_object: something was found on the part.
    """

    image: NDArray[np.uint8]
    recipe: str
    has_object: bool


class Source(ABC):
    """Hands out pictures until it is closed. Use it in a `with` block.

    Attributes:
        hint: what to look at when no pictures come.
        ended: a finite source has come to its end.
    """

    hint: str
    ended = False

    @abstractmethod
    def __enter__(self) -> Source:
        """Begin to ask for pictures. Raises MatecheckError."""

    @abstractmethod
    def __exit__(self, *_error: object) -> None:
        """Stop asking."""

    @abstractmethod
    def take(self) -> Candidate | None:
        """The next picture; None if none came within a second or so."""


class AgentSource(Source):
    """Asks the running agent: by a lock on its request file, which ends with this process, however that ends.

    Raises:
        CalibrationError: another process asks already.
        StorageError: the agent's folder may not be written.
    """

    hint = "is the agent running, and are parts inspected? Parts with verdict ERROR do not count"

    def __init__(self, samples: SampleFolder, every_s: float) -> None:
        self._samples, self._every_s = samples, every_s
        self._request: IO[str] | None = None

    def __enter__(self) -> AgentSource:
        with ExitStack() as undo:
            try:
                self._samples.inbox.mkdir(parents=True, exist_ok=True)
                file = undo.enter_context(self._samples.request.open("a+", encoding="utf-8"))
                _belong_to_agent(self._samples)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(0)
                json.dump({"every_s": self._every_s}, file)
                file.flush()
            except BlockingIOError as error:
                raise CalibrationError(
                    "another calibrate collect is at work",
                    where=str(self._samples.folder),
                    mend="wait for it, or end it",
                ) from error
            except OSError as error:
                what = f"cannot be written ({error.strerror})"
                mend = "run calibrate as root, or as the user of the agent"
                raise StorageError(what, where=str(error.filename or self._samples.folder), mend=mend) from error
            undo.pop_all()
            self._request = file
        return self

    def __exit__(self, *_error: object) -> None:
        if self._request:
            self._request.close()
        for path in self._samples.inbox.glob("*"):
            path.unlink(missing_ok=True)

    def take(self) -> Candidate | None:
        """The oldest sample of the inbox, which is emptied by it."""
        for _ in range(5):
            for path in sorted(self._samples.inbox.glob("*.json")):
                if candidate := self._take(path):
                    return candidate
            time.sleep(LOOK_S)
        return None

    def _take(self, path: Path) -> Candidate | None:
        picture = path.with_suffix(".png")
        try:
            record = json.loads(path.read_bytes())
            return Candidate(read_image(picture), str(record["recipe"]), int(record["components"]) > 0)
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError, ImageError):  # torn by a power cut
            return None
        finally:
            path.unlink(missing_ok=True)
            picture.unlink(missing_ok=True)


class CameraSource(Source):
    """Opens the camera itself, which it can only do while the agent is stopped.

    Args:
        live: its pictures pass even if nobody reads them.
        inspector: finds out which parts have an object.
    """

    hint = "is the camera plugged in? edge-agent doctor looks"

    def __init__(
        self, camera: Camera, live: bool, recipes: Mapping[str, Recipe], inspector: Inspector, every_s: float
    ) -> None:
        self._camera, self._live, self._inspector, self._every_s = camera, live, inspector, every_s
        self._recipes = recipes
        self._due = 0.0

    def __enter__(self) -> CameraSource:
        self._camera.open()
        return self

    def __exit__(self, *_error: object) -> None:
        self._camera.close()
        self._inspector.engine.close()

    def take(self) -> Candidate | None:
        """The next picture in which one of the recipes recognises its part."""
        frame = None
        while frame is None or time.monotonic() < self._due:  # a live camera is read on, so that nothing old waits
            try:
                frame = self._camera.read()
            except ImageError:
                return None
            if frame is None:
                self.ended = True
                return None
            if not self._live:
                time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + self._every_s
        for key, recipe in self._recipes.items():
            inspection = self._inspector.inspect(frame.image, recipe)
            if inspection.verdict is not Verdict.ERROR:
                return Candidate(frame.image, key, inspection.components_total > 0)
        return None


def _belong_to_agent(samples: SampleFolder) -> None:
    """What root makes here has to be writable for the agent: its owner becomes that of the results."""
    owner = samples.folder.parent.stat()
    with suppress(PermissionError):  # not root: then both are the same user, or the agent will say so
        for path in (samples.folder, samples.inbox, samples.request):
            os.chown(path, owner.st_uid, owner.st_gid)
