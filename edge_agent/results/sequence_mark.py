"""A number beside the database that runs ahead of the sequence numbers in use."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from edge_agent.log import event
from edge_agent.results.database import failure

log = logging.getLogger(__name__)

RESERVED = 1000  # how far it runs ahead


class SequenceMark:
    """Knows which numbers may be in use even when the database is lost. Not thread-safe.

    A file that holds one number. "+1040": some up to it were given to results that memory alone holds.

    Attributes:
        in_memory: whether that was so when the mark was read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserved = 0
        self.in_memory = False

    def read(self) -> int:
        """The highest number that may be in use; 0 where nothing is known."""
        try:
            text = self._path.read_text(encoding="ascii")
            self._reserved, self.in_memory = int(text), text.startswith("+")
        except FileNotFoundError:
            self._reserved = 0
        except (OSError, ValueError) as error:
            log.warning(event("sequence-mark-unreadable", path=self._path, why=error))
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

    def reserve_in_memory(self, seq: int) -> None:
        """The same where the disk takes nothing new: the file is overwritten in its place. Raises StorageError."""
        if self.in_memory and seq <= self._reserved:
            return
        self._overwrite(f"+{max(self._reserved, seq + RESERVED)}")
        self._reserved, self.in_memory = max(self._reserved, seq + RESERVED), True

    def nothing_in_memory(self) -> None:
        """All numbers in use stand in the database. Raises StorageError."""
        if self.in_memory:
            self._overwrite(f"{self._reserved} ")  # as long as with its sign
            self.in_memory = False

    def _overwrite(self, text: str) -> None:
        try:
            with self._path.open("r+" if self._path.exists() else "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise failure(self._path, error) from error
