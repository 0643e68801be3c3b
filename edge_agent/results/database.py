"""One SQLite file that survives power cuts, full disks and damage; shared by threads."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from edge_agent.errors import StorageError
from edge_agent.log import event

log = logging.getLogger(__name__)

WAL_BYTES = 16_000_000  # the write-ahead log is cut back to this after a checkpoint
REOPEN_S = 1.0  # between two attempts to open a file for writing that can only be read


class BrokenDatabaseError(StorageError):
    """The database was broken and has been set aside; the call may be tried once more."""


class Database:
    """A connection behind a lock: write-ahead log, and each transaction on disk when it ends.

    synchronous=FULL, because a power cut is the ordinary way to switch such a device off, and one fsync a part is
    cheap. A file found broken is renamed, so that a person can still look into it, and a new one takes its place.

    A file that is whole, on a disk too full (or read-only) for the two that SQLite puts beside it, is opened to be read
    alone: every writing transaction fails, until the disk takes them.

    Args:
        prepare: makes the tables of a file that was just opened, and checks it; may raise sqlite3.DatabaseError.

    Raises:
        StorageError: the place cannot be written, or the disk is full; it works again when that is mended.
    """

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self.path = path
        self._prepare = prepare
        self._lock = threading.Lock()
        self._lost = False  # the connection was closed over a broken file, and there is no other one yet
        self._read_only: sqlite3.Error | None = None  # why
        self._reopen_at = 0.0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failure(path, error) from error
        self._connection = self._open()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Commit at the end, roll back on any exception.

        Args:
            durable: on disk at the end; else a power cut (not a killed process) may undo it, in order with others.

        Raises:
            BrokenDatabaseError: the database has just been replaced by an empty one.
            StorageError: nothing was written.
        """
        with self._lock:
            if self._lost:
                self._connection, self._lost = self._open(), False
            if self._read_only:
                self._reopen()
            connection = self._connection
            try:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                _roll_back(connection)
                if _is_corruption(error):
                    self._lost = True
                    connection.close()
                    self._set_aside(error)
                    self._connection, self._lost = self._open(), False
                    raise BrokenDatabaseError(str(error), where=str(self.path)) from error
                raise failure(self.path, self._read_only or error) from error
            except BaseException:
                _roll_back(connection)
                raise

    def close(self) -> None:
        """Release the file. May be called twice."""
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        for attempt in (1, 2):
            try:
                connection = self._connect()
            except sqlite3.Error as error:
                if attempt == 2 or not _is_corruption(error):
                    return self._opened_to_read(error)
                self._set_aside(error)
            else:
                self._read_only = None
                return connection
        raise AssertionError("unreachable")

    def _opened_to_read(self, why_not_to_write: sqlite3.Error) -> sqlite3.Connection:
        log_of_writes = self.path.with_name(self.path.name + "-wal")
        if not self.path.is_file() or (log_of_writes.exists() and log_of_writes.stat().st_size):
            raise failure(self.path, why_not_to_write)  # it would be read without what stands in that log
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise failure(self.path, why_not_to_write) from why_not_to_write
        log.error(event("outbox-can-only-be-read", path=self.path, why=why_not_to_write))
        self._read_only, self._reopen_at = why_not_to_write, time.monotonic() + REOPEN_S
        return connection

    def _reopen(self) -> None:
        """For writing, if that is possible now."""
        if time.monotonic() < self._reopen_at:
            return
        self._reopen_at = time.monotonic() + REOPEN_S
        with suppress(sqlite3.Error):
            connection = self._connect()
            self._connection.close()
            self._connection, self._read_only = connection, None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, reason: sqlite3.Error) -> None:
        """Rename the broken database with its log, so that a person can still look for results in it."""
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
        aside = self.path.with_name(f"{self.path.name}.broken-{stamp}")
        try:
            for suffix in ("", "-wal", "-shm"):
                part = self.path.with_name(self.path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise failure(self.path, error) from error
        log.error(event("outbox-broken", path=self.path, why=reason, not_sent=aside))


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; what was deleted does not count."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def failure(path: Path, error: Exception) -> StorageError:
    """What a person is told when SQLite or the file system refuses."""
    return StorageError(
        f"cannot be used: {error}", where=str(path), mend="check free space, permissions and the disk's health"
    )


def _roll_back(connection: sqlite3.Connection) -> None:
    """SQLite has already rolled back by itself after some errors, such as a full disk."""
    with suppress(sqlite3.Error):  # the error that led here is the one to tell
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _is_corruption(error: sqlite3.Error) -> bool:
    """SQLITE_CORRUPT and SQLITE_NOTADB come as DatabaseError itself; a full disk and the like as a subclass."""
    return type(error) is sqlite3.DatabaseError
