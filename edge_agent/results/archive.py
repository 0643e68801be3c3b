"""Pictures of the parts that were not OK, on disk, within a size limit."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import StorageError
from edge_agent.log import event
from edge_agent.results.result import Result

log = logging.getLogger(__name__)

PART = ".part"
JPEG_QUALITY = 95
_STEM = re.compile(r"\d{8}T\d{9}Z_(\d+)_(NG|ERROR|OK)")


@dataclass(frozen=True)
class _Entry:
    seq: int
    stem: str
    size: int


class Archive:
    """Keeps the full picture and the result JSON of NG and ERROR parts; the oldest are deleted first.

    Files are named `<UTC time>_<seq>_<verdict>.jpg` and `.json`. A picture appears under its name only
    when both files are complete on disk. Oldest means lowest seq: a device's clock may be wrong, its seq is not.

    Args:
        folder: made if it is missing. What is not named as above is left alone and not counted.
        limit_mb: most that pictures and JSON may take together, in 1,000,000 bytes.
        min_free_mb: the oldest are deleted too, and new ones refused, where less of the disk would stay free.

    Raises:
        StorageError: the folder cannot be written, or the disk is full.
    """

    def __init__(self, folder: Path, limit_mb: float, min_free_mb: float = 0) -> None:
        self._folder, self._min_free = folder, int(min_free_mb * 1_000_000)
        self._limit = int(limit_mb * 1_000_000)
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._entries = deque(self._scan())
            self._size = sum(entry.size for entry in self._entries)
            self._make_room(0)
        except OSError as error:
            raise _failure(folder, error) from error

    @property
    def size(self) -> int:
        """Bytes that the archive takes."""
        return self._size

    def give_up(self, free_mb: float) -> None:
        """Delete the oldest until so much of the disk is free, or nothing is left to delete."""
        gone = 0
        with self._lock:
            try:
                while self._entries and self._free() < free_mb * 1_000_000:
                    self._remove_oldest()
                    gone += 1
            except OSError as error:
                log.warning(event("archive-cannot-delete", folder=self._folder, why=error))
        if gone:
            log.warning(event("archive-gave-up-pictures", count=gone, why=f"the disk must have {free_mb:.0f} MB free"))

    def save(self, result: Result, image: NDArray[np.uint8]) -> Path:
        """Store the picture of a part and its result; returns the picture's path.

        Args:
            image: BGR uint8 [H, W, 3], the full frame.
        """
        done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise StorageError("the picture cannot be written as JPEG", where=str(self._folder))
        taken = result.captured_at.astimezone(timezone.utc)
        stem = f"{taken:%Y%m%dT%H%M%S}{taken.microsecond // 1000:03d}Z_{result.seq:09d}_{result.verdict.value}"
        contents = {".json": result.to_json().encode() + b"\n", ".jpg": encoded.tobytes()}
        size = sum(map(len, contents.values()))
        if size > self._limit:
            raise StorageError(
                f"one picture takes {size / 1e6:.1f} MB, the archive's limit is {self._limit / 1e6:.1f} MB",
                where=str(self._folder),
                mend="raise the limit",
            )
        with self._lock:
            try:
                self._make_room(size)
                if self._free() < self._min_free + size:
                    what = f"less than {self._min_free / 1e6:g} MB are free"
                    raise StorageError(f"the picture is not kept: {what}", where=str(self._folder), mend="make room")
                for suffix, content in contents.items():
                    self._write(stem + suffix, content)
            except OSError as error:
                with suppress(OSError):  # the first failure is the one to tell
                    self._remove(stem)
                raise _failure(self._folder, error) from error
            self._entries.append(_Entry(result.seq, stem, size))
            self._size += size
        return self._folder / f"{stem}.jpg"

    def _scan(self) -> list[_Entry]:
        """What is there from earlier runs. Half-written files are deleted."""
        sizes: dict[str, int] = {}
        for path in self._folder.iterdir():
            name = path.name.removesuffix(PART)
            stem = name.rpartition(".")[0]
            if not _STEM.fullmatch(stem):
                continue
            if path.name != name:
                path.unlink(missing_ok=True)
            else:
                sizes[stem] = sizes.get(stem, 0) + path.stat().st_size
        return sorted((_Entry(_seq(stem), stem, size) for stem, size in sizes.items()), key=lambda entry: entry.seq)

    def _make_room(self, size: int) -> None:
        while self._entries and self._size + size > self._limit:
            self._remove_oldest()
        while size and self._entries and self._free() < self._min_free + size:
            self._remove_oldest()

    def _free(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)  # somebody may have deleted it to make room
        return shutil.disk_usage(self._folder).free

    def _remove_oldest(self) -> None:
        oldest = self._entries[0]
        self._remove(oldest.stem)
        self._entries.popleft()
        self._size -= oldest.size
        log.debug(event("archive-deleted", picture=oldest.stem))

    def _remove(self, stem: str) -> None:
        """Picture first: JSON alone is harmless, a picture without its JSON is a riddle."""
        for suffix in (".jpg", ".json"):
            for name in (stem + suffix, stem + suffix + PART):
                (self._folder / name).unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        aside = self._folder / (name + PART)
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._folder / name)


def _seq(stem: str) -> int:
    return int(stem.split("_")[1])


def _failure(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot be written: {error.strerror or error}", where=str(folder), mend="check free space and permissions"
    )
