"""Exact pictures of inspected parts for `calibrate collect`, as long as it asks for them.

The agent owns the camera, so whoever wants pictures of the running line asks it. The one who asks holds a lock on
`request.json`; the lock ends with its process, so nobody can forget to stop asking. The agent then puts pictures into
`inbox/` and waits while too many lie there unread. The line does not notice: it is done after the result is on disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import time
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent import health
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.recipe import Recipe
from edge_agent.log import event

log = logging.getLogger(__name__)

FOLDER, REQUEST, INBOX = "calibration", "request.json", "inbox"
MAX_UNREAD = 8
PNG_SPEED = [cv2.IMWRITE_PNG_COMPRESSION, 1]  # 3 times as fast as the default, a tenth larger


@dataclass(frozen=True)
class SampleFolder:
    """Where both sides meet: `request.json`, and `inbox/` with `<id>.png` and `<id>.json`."""

    folder: Path

    @property
    def request(self) -> Path:
        """Locked by whoever wants samples."""
        return self.folder / REQUEST

    @property
    def inbox(self) -> Path:
        """Samples that nobody has taken yet."""
        return self.folder / INBOX


class Samples:
    """The agent's side.

    Args:
        folder: as the one who asks knows it.
        min_free_mb: nothing is written with less free space than that.
    """

    def __init__(self, folder: Path, min_free_mb: int) -> None:
        self._place = SampleFolder(folder)
        self._min_free_mb = min_free_mb
        self._next = 0.0
        self._trouble = ""
        self._known: tuple[Recipe, str] | None = None

    def offer(self, name: str, image: NDArray[np.uint8], recipe: Recipe, inspection: Inspection) -> None:
        """Put a part into the inbox if somebody asks for it and it was really inspected. Never raises.

        Args:
            name: of the files, unique: the result's id.
            image: BGR uint8 [H, W, 3], the full frame.
        """
        if inspection.verdict is Verdict.ERROR or time.monotonic() < self._next:
            return
        try:
            asked = _asked(self._place.request)
            if asked is None or not self._room():
                return
            self._next = time.monotonic() + asked
            self._write(name, image, recipe, inspection)
            self._trouble = ""
        except (OSError, cv2.error) as error:  # a sample more or less: the line goes on
            self._next = time.monotonic() + 10.0
            if str(error) != self._trouble:
                log.warning(event("no-sample", why=error))
            self._trouble = str(error)

    def _room(self) -> bool:
        """Whether few enough samples lie unread; free space is the other half."""
        unread = len(list(self._place.inbox.glob("*.json"))) if self._place.inbox.is_dir() else 0
        return unread < MAX_UNREAD and health.disk_free_mb(self._place.folder) > 2 * self._min_free_mb

    def _write(self, name: str, image: NDArray[np.uint8], recipe: Recipe, inspection: Inspection) -> None:
        inbox = self._place.inbox
        inbox.mkdir(parents=True, exist_ok=True)
        _, content = cv2.imencode(".png", image, PNG_SPEED)
        record = {
            "recipe": self._key(recipe),
            "verdict": inspection.verdict.value,
            "components": inspection.components_total,
        }
        for suffix, data in ((".png", content.tobytes()), (".json", json.dumps(record).encode())):  # JSON: complete
            aside = inbox / f"{name}{suffix}.part"
            aside.write_bytes(data)
            aside.replace(inbox / f"{name}{suffix}")

    def _key(self, recipe: Recipe) -> str:
        """The last one is kept: a recipe holds its pictures, and a line works with one for hours."""
        if self._known is None or self._known[0] is not recipe:
            self._known = (recipe, recipe_key(recipe))
        return self._known[1]


def recipe_key(recipe: Recipe) -> str:
    """16 hexadecimal digits for what a network sees of a recipe.

    Name, version, scale and limits may change and the pictures taken under it are as good as before.
    """
    digest = hashlib.sha256()
    for entry in fields(recipe):
        value = getattr(recipe, entry.name)
        if entry.name in {"name", "version", "mm_per_px", "limits"} or _is_default(entry, value):
            continue  # what is left at its default may be unknown to an older version of ours
        digest.update(entry.name.encode() + _content(value))
    return digest.hexdigest()[:16]


def _is_default(entry: Field[Any], value: Any) -> bool:
    return not isinstance(value, np.ndarray) and entry.default is not MISSING and bool(value == entry.default)


def _content(value: Any) -> bytes:
    """The same before and after a recipe was saved, which writes 1.0 as 1 and six digits of a number."""
    if isinstance(value, np.ndarray):
        return repr(value.shape).encode() + value.tobytes()
    if isinstance(value, (tuple, list)):
        return b"(" + b",".join(map(_content, value)) + b")"
    return f"{value:g}".encode() if isinstance(value, (int, float)) else repr(value).encode()


def _asked(request: Path) -> float | None:
    """Fewest seconds between two samples, if somebody asks for them; else None."""
    try:
        with request.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    return min(max(float(json.loads(file.read(4096))["every_s"]), 0.0), 3600.0)
                return 1.0
    except FileNotFoundError:
        return None
    return None
