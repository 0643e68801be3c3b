"""The calibration set: exact pictures of parts with what was measured of each, in a folder that survives any kill.

`<id>.png` is the full frame, `<id>.small.png` a reduced one to tell near-duplicates by, `<id>.json` the measurements;
the JSON comes last, so a pair is there wholly or not at all. The id is the hash of the picture. It also decides what
the pair is for: a quarter is kept out of the calibration, for the check against FP32, and which ones never changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError, StorageError
from edge_agent.images import read_image

CHECKED_SHARE = 4  # every fourth pair, on average, is kept for the check
PNG_SPEED = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclass(frozen=True)
class Entry:
    """One pair of the set.

    Attributes:
        id: 16 hexadecimal digits of the picture's hash.
        recipe: `recipe_key` of the recipe that it was taken under.
        has_object: the engine of that time found something on the part.
        brightness: mean grey level in the region, as a share of the template's.
        shift: x, y in pixels from where the template has the part.
        size_bytes: on disk.
    """

    id: str
    recipe: str
    has_object: bool
    brightness: float
    shift: tuple[float, float]
    size_bytes: int = 0

    @property
    def for_check(self) -> bool:
        """Whether it is kept out of the calibration, for the check."""
        return int(self.id[:8], 16) % CHECKED_SHARE == 0


# What reading a file raises that a power cut has torn, or that others have written: it counts as not there.
TORN = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError)


class PairSet:
    """The set in a folder. One process writes at a time (`calibrate collect` holds a lock), any number may read.

    Raises:
        StorageError: the folder cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, Entry] = {}
        try:
            for path in sorted(folder.glob("*.json")):
                with suppress(*TORN):
                    entry = _entry(json.loads(path.read_bytes()))
                    if path.stem == entry.id and self.picture(entry).is_file():
                        self._entries[entry.id] = entry
        except OSError as error:
            raise _failed(folder, error) from error

    @property
    def entries(self) -> list[Entry]:
        """All pairs, in the order of their ids."""
        return list(self._entries.values())

    @property
    def size_bytes(self) -> int:
        """What the pictures take on disk."""
        return sum(entry.size_bytes for entry in self._entries.values())

    def picture(self, entry: Entry) -> Path:
        """The file of the full frame."""
        return self.folder / f"{entry.id}.png"

    def small(self, entry: Entry) -> NDArray[np.uint8] | None:
        """The reduced picture, uint8 [h, w]; None if it is lost."""
        try:
            return np.asarray(read_image(self.folder / f"{entry.id}.small.png")[..., 0], np.uint8)
        except ImageError:
            return None

    def add(self, image: NDArray[np.uint8], small: NDArray[np.uint8], entry: Entry) -> Entry:
        """Put a pair on disk. Raises StorageError.

        Args:
            image: BGR uint8 [H, W, 3]; `picture_id` of it is the entry's id.
            small: uint8 [h, w].
        """
        contents = [cv2.imencode(".png", picture, PNG_SPEED)[1].tobytes() for picture in (image, small)]
        entry = Entry(**asdict(entry) | {"size_bytes": sum(map(len, contents)), "shift": entry.shift})
        contents.append(json.dumps(asdict(entry)).encode())
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for suffix, content in zip((".png", ".small.png", ".json"), contents, strict=True):
                _write(self.folder / f"{entry.id}{suffix}", content)
        except OSError as error:
            raise _failed(self.folder, error) from error
        self._entries[entry.id] = entry
        return entry

    def drop(self, entries: Iterable[Entry]) -> None:
        """Delete pairs, JSON first. Raises StorageError."""
        try:
            for entry in entries:
                for suffix in (".json", ".png", ".small.png"):
                    (self.folder / f"{entry.id}{suffix}").unlink(missing_ok=True)
                self._entries.pop(entry.id, None)
        except OSError as error:
            raise _failed(self.folder, error) from error

    def sweep(self) -> None:
        """Delete what a killed `add` or `drop` has left. Only whoever writes may call it. Raises StorageError."""
        try:
            for path in self.folder.glob("*"):
                if path.name.partition(".")[0] not in self._entries or path.suffix == ".part":
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(self.folder, error) from error


def picture_id(image: NDArray[np.uint8]) -> str:
    """16 hexadecimal digits of the hash of a picture's pixels."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()[:16]


def set_digest(entries: Iterable[Entry]) -> str:
    """sha256 over the pairs that a calibration uses: which pictures, under which recipe."""
    text = "\n".join(sorted(f"{entry.id} {entry.recipe}" for entry in entries))
    return hashlib.sha256(text.encode()).hexdigest()


def _entry(table: dict[str, object]) -> Entry:
    entry = Entry(**table)  # type: ignore[arg-type]
    x, y = entry.shift
    return Entry(
        str(entry.id),
        str(entry.recipe),
        bool(entry.has_object),
        float(entry.brightness),
        (float(x), float(y)),
        int(entry.size_bytes),
    )


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _failed(folder: Path, error: OSError) -> StorageError:
    what = f"the calibration set cannot be read or written ({error.strerror or error})"
    return StorageError(what, where=str(folder), mend="check free space and permissions; root may be needed")
