"""Results wait here, on disk, until the broker has acknowledged them."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge_agent.errors import StorageError
from edge_agent.results.result import Result

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS result (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, payload TEXT NOT NULL, thumbnail BLOB);
CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY CHECK (one = 1), last_seq INTEGER NOT NULL);
"""
RESERVED = 1000  # sequence numbers that the mark beside the database runs ahead
MAX_ROWS = 10_000


@dataclass(frozen=True)
class PendingResult:
    """A result that the broker has not acknowledged: its JSON and its thumbnail (JPEG)."""

    seq: int
    id: str
    payload: str
    thumbnail: bytes | None


class Outbox:
    """Durable queue of results. Every method may be called from any thread.

    A result is on disk when `record` returns: write-ahead log with synchronous=FULL, because a power cut is
    the ordinary way to switch such a device off, and one fsync a part is cheap.

    `seq` never goes back, not even when the database is lost: a mark beside it (`<path>.seq`) runs ahead of
    the numbers in use, and a new database begins there. Such a jump, like the loss of the oldest row when
    `max_rows` is reached, is a gap that the receiver sees.

    Raises:
        StorageError: the place cannot be written, or the disk is full; the outbox works again when that is mended.
    """

    def __init__(self, path: Path, max_rows: int = MAX_ROWS) -> None:
        self._path = path
        self._mark = path.with_name(path.name + ".seq")
        self._max_rows = max_rows
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failure(path, error) from error
        self._reserved = 0
        self._connection = self._open()

    def record(self, make: Callable[[int], Result], thumbnail: bytes | None = None) -> Result:
        """Give the next seq to `make` and commit what it returns; when anything fails the seq is not used up."""
        try:
            return self._record(make, thumbnail)
        except _BrokenDatabaseError:  # it has been replaced by an empty one
            return self._record(make, thumbnail)

    def pending(self, limit: int, after: int = 0) -> list[PendingResult]:
        """The oldest results with a seq above `after`, at most `limit`, in order of seq."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT seq, id, payload, thumbnail FROM result WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        return [PendingResult(*row) for row in rows]

    def acknowledge(self, seq: int) -> None:
        """The broker has this result: delete it. Unknown numbers are ignored."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM result WHERE seq = ?", (seq,))

    def count(self) -> int:
        """How many results wait."""
        with self._transaction() as connection:
            return int(connection.execute("SELECT count(*) FROM result").fetchone()[0])

    def close(self) -> None:
        """Release the file. May be called twice."""
        with self._lock:
            self._connection.close()

    def _record(self, make: Callable[[int], Result], thumbnail: bytes | None) -> Result:
        with self._transaction() as connection:
            (last,) = connection.execute("SELECT last_seq FROM counter").fetchone()
            seq = last + 1
            result = make(seq)
            assert result.seq == seq, "make must put the seq that it is given into the result"
            self._reserve(seq)
            connection.execute("INSERT INTO result VALUES (?, ?, ?, ?)", (seq, result.id, result.to_json(), thumbnail))
            connection.execute("UPDATE counter SET last_seq = ?", (seq,))
            lost = connection.execute("DELETE FROM result WHERE seq <= ?", (seq - self._max_rows,)).rowcount
        if lost:
            log.warning("outbox full rows=%d lost_results=%d; is the broker reachable?", self._max_rows, lost)
        return result

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end, roll back on any exception. A database found broken is replaced for the next call."""
        with self._lock:
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                _roll_back(connection)
                if _is_corruption(error):
                    connection.close()
                    self._set_aside(error)
                    self._connection = self._open()
                    raise _BrokenDatabaseError(str(error), where=str(self._path)) from error
                raise _failure(self._path, error) from error
            except BaseException:
                _roll_back(connection)
                raise

    def _open(self) -> sqlite3.Connection:
        for attempt in (1, 2):
            try:
                return self._connect()
            except sqlite3.Error as error:
                if attempt == 2 or not _is_corruption(error):
                    raise _failure(self._path, error) from error
                self._set_aside(error)
        raise AssertionError("unreachable")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            _check(connection)
            connection.executescript(SCHEMA)
            self._reserved = self._read_mark()
            connection.execute("INSERT OR IGNORE INTO counter VALUES (1, ?)", (self._reserved,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, reason: sqlite3.Error) -> None:
        """Rename the broken database with its log, so that a person can still look for results in it."""
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
        aside = self._path.with_name(f"{self._path.name}.broken-{stamp}")
        try:
            for suffix in ("", "-wal", "-shm"):
                part = self._path.with_name(self._path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise _failure(self._path, error) from error
        log.error(
            "outbox broken path=%s reason=%s set_aside=%s; results in it were not sent", self._path, reason, aside
        )

    def _read_mark(self) -> int:
        try:
            return int(self._mark.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            log.warning("sequence mark unreadable path=%s reason=%s", self._mark, error)
            return 0

    def _reserve(self, seq: int) -> None:
        """Move the mark ahead of `seq` before that number is used."""
        if seq <= self._reserved:
            return
        aside = self._mark.with_name(self._mark.name + ".part")
        try:
            with aside.open("w", encoding="ascii") as file:
                file.write(str(seq + RESERVED))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._mark)
        except OSError as error:
            raise _failure(self._mark, error) from error
        self._reserved = seq + RESERVED


class _BrokenDatabaseError(StorageError):
    """The database was broken and has been set aside; the call may be tried once more."""


def _check(connection: sqlite3.Connection) -> None:
    (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise sqlite3.DatabaseError(str(health))


def _roll_back(connection: sqlite3.Connection) -> None:
    """SQLite has already rolled back by itself after some errors, such as a full disk."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _is_corruption(error: sqlite3.Error) -> bool:
    """SQLITE_CORRUPT and SQLITE_NOTADB come as DatabaseError itself; a full disk and the like as a subclass."""
    return type(error) is sqlite3.DatabaseError


def _failure(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"cannot be used: {error}", where=str(path), mend="check free space, permissions and the disk's health"
    )
