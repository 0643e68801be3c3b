"""A number beside the database that runs ahead of the sequence numbers in use."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from edge_agent.results.database import failure

log = logging.getLogger(__name__)

RESERVED = 1000  # how far it runs ahead


class SequenceMark:
    """Knows which numbers may be in use even when the database is lost. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserved = 0

    def read(self) -> int:
        """The highest number that may be in use; 0 where nothing is known."""
        try:
            self._reserved = int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            self._reserved = 0
        except (OSError, ValueError) as error:
            log.warning("sequence mark unreadable path=%s reason=%s", self._path, error)
            self._reserved = 0
        return self._reserved

    def reserve(self, seq: int) -> None:
        """Move the mark ahead of `seq` before that number is used. Raises StorageError."""
        if seq <= self._reserved:
            return
        aside = self._path.with_name(self._path.name + ".part")
        try:
            with aside.open("w", encoding="ascii") as file:
                file.write(str(seq + RESERVED))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._path)
        except OSError as error:
            raise failure(self._path, error) from error
        self._reserved = seq + RESERVED
