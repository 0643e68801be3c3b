"""Results wait here, on disk, until the broker has acknowledged them; accepted triggers until they have a result."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge_agent.errors import MatecheckError
from edge_agent.inspection.inspection import Verdict
from edge_agent.log import event
from edge_agent.pipeline.triggers import Trigger
from edge_agent.results import outbox_schema
from edge_agent.results.database import BrokenDatabaseError, Database, used_bytes
from edge_agent.results.eviction import Evictions, OutboxLimits, make_room
from edge_agent.results.result import Result
from edge_agent.results.sequence_mark import SequenceMark

log = logging.getLogger(__name__)

REMEMBERED_TRIGGERS = 10_000  # of those that have their result, to know a duplicate and to take an acknowledgement
LOOKED_AT_BYTES = 64_000_000  # a larger file is not read through at the start: damage shows when it is met
_MOST = 2**63 - 1  # SQLite's largest integer
EXPIRED_AT_ONCE = 200  # sent results that are forgotten in one transaction, so that none takes long


@dataclass(frozen=True)
class StoredResult:
    """A result as it stands on disk: its JSON, and its thumbnail (JPEG) as long as it waits."""

    seq: int
    id: str
    payload: str
    thumbnail: bytes | None = None


class DuplicateTriggerError(MatecheckError):
    """A trigger with this trigger_id was accepted before; `id` is that of its result."""

    def __init__(self, trigger_id: str, result_id: str) -> None:
        super().__init__(f"a trigger with the trigger_id {trigger_id!r} was accepted before")
        self.id = result_id


class AnsweredError(MatecheckError):
    """This trigger has its result already; another one is not recorded."""


class Outbox:
    """Durable results and triggers. Every method may be called from any thread.

    What `accept` and `record` were given is on disk when they return. `seq` counts without a gap, and never goes back,
    not even when the database is lost: a mark beside it (`<path>.seq`) runs ahead of the numbers in use, and a new
    database begins there. Such a jump, like an eviction, is a gap that the receiver sees.

    Full by rows or by bytes, it gives up thumbnails first, then results that were sent already, then the oldest OK,
    last the oldest NG and ERROR.

    Attributes:
        overlooked: how often `waiting` could not look at all that waits, and told of the rest alone.

    Raises:
        StorageError: the place cannot be written, or the disk is full; the outbox works again when that is mended.
    """

    def __init__(self, path: Path, limits: OutboxLimits | None = None) -> None:
        self.overlooked = 0
        self._limits = limits or OutboxLimits()
        self._mark = SequenceMark(path.with_name(path.name + ".seq"))
        self._opened = time.monotonic()
        self._ran_before = self._next_warning = 0.0
        self._database = Database(path, self._prepare)

    def accept(self, trigger: Trigger) -> None:
        """Remember a trigger until it has its result, through any restart.

        Raises:
            DuplicateTriggerError: its trigger_id was accepted before.
        """
        row = (trigger.id, trigger.trigger_id, trigger.kind, trigger.part_id, trigger.accepted_at.isoformat())
        with self._database.transaction() as connection:
            self._refuse_duplicate(connection, trigger)
            connection.execute(
                "INSERT INTO accepted (id, trigger_id, kind, part_id, accepted_at) VALUES (?, ?, ?, ?, ?)", row
            )
            connection.execute(
                "DELETE FROM accepted WHERE number <= (SELECT max(number) FROM accepted) - ? "
                "AND answered_by IS NOT NULL",
                (REMEMBERED_TRIGGERS,),
            )

    def unanswered(self) -> list[Trigger]:
        """The accepted triggers without a result, oldest first."""
        with self._database.transaction(durable=False) as connection:
            rows = connection.execute(
                "SELECT kind, part_id, id, trigger_id, accepted_at FROM accepted WHERE answered_by IS NULL "
                "ORDER BY number"
            ).fetchall()
        return [
            Trigger(kind, part_id, id=result_id, trigger_id=trigger_id, accepted_at=datetime.fromisoformat(when))
            for kind, part_id, result_id, trigger_id, when in rows
        ]

    def record(
        self, make: Callable[[int], Result], thumbnail: bytes | None = None, *, awaits_confirmation: bool = False
    ) -> Result:
        """Give the next seq to `make` and commit what it returns; when anything fails the seq is not used up.

        A result whose id is that of an accepted trigger answers it.

        Args:
            awaits_confirmation: the receiver has to `confirm` it.

        Raises:
            AnsweredError: the trigger has its result already.
        """
        try:
            return self._record(make, thumbnail, awaits_confirmation)
        except BrokenDatabaseError:  # it has been replaced by an empty one
            return self._record(make, thumbnail, awaits_confirmation)

    def waiting(self, limit: int, *, after: int = 0, up_to: int | None = None) -> list[StoredResult]:
        """The oldest results not sent with a seq above `after` and not above `up_to`, at most `limit`, in order."""
        with self._database.transaction(durable=False) as connection:
            rows = connection.execute(
                "SELECT seq, id, payload, jpeg FROM result LEFT JOIN thumbnail USING (seq) "
                "WHERE worth >= 2 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (after, _MOST if up_to is None else up_to, limit),
            ).fetchall()
        return [StoredResult(*row) for row in rows]

    def sent(self, limit: int, *, after: int, up_to: int) -> list[StoredResult]:
        """The same of the results that were sent and are still kept; without thumbnails."""
        with self._database.transaction(durable=False) as connection:
            rows = connection.execute(
                "SELECT seq, id, payload FROM result WHERE worth < 2 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (after, up_to, limit),
            ).fetchall()
        return [StoredResult(*row) for row in rows]

    def mark_sent(self, seqs: Sequence[int]) -> None:
        """The broker has these results. Unknown numbers, and those marked before, are ignored.

        Not flushed to the disk: after a power cut they are sent again, which every receiver must bear anyway.
        """
        now = self._ran_s()
        with self._database.transaction(durable=False) as connection:
            connection.executemany(
                "UPDATE result SET worth = worth - 2, sent_at = ? WHERE seq = ? AND worth >= 2",
                [(now, seq) for seq in seqs],
            )
            connection.execute("UPDATE counter SET ran_s = ?", (now,))
            connection.execute(
                "DELETE FROM result WHERE seq IN (SELECT seq FROM result WHERE sent_at <= ? ORDER BY sent_at LIMIT ?)",
                (now - self._limits.keep_sent_s, EXPIRED_AT_ONCE),
            )

    def confirm(self, result_id: str) -> bool:
        """The receiver has this result; False if no trigger has a result with this id (any more)."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE accepted SET confirmed = 1 WHERE id = ? AND answered_by IS NOT NULL", (result_id,)
            )
            return done.rowcount > 0

    def unconfirmed(self) -> list[str]:
        """Ids of the results whose confirmation is awaited, oldest first."""
        with self._database.transaction(durable=False) as connection:
            rows = connection.execute("SELECT id FROM accepted WHERE confirmed = 0 ORDER BY number").fetchall()
        return [str(row[0]) for row in rows]

    def count(self) -> int:
        """How many results wait."""
        return self._counter("waiting")

    def kept(self, from_seq: int, to_seq: int) -> tuple[int, int]:
        """How many results of this range (both ends belong to it) are there: sent, waiting."""
        with self._database.transaction(durable=False) as connection:
            sent, waiting = connection.execute(
                "SELECT coalesce(sum(worth < 2), 0), coalesce(sum(worth >= 2), 0) FROM result "
                "WHERE seq BETWEEN ? AND ?",
                (from_seq, to_seq),
            ).fetchone()
        return int(sent), int(waiting)

    @property
    def last_seq(self) -> int:
        """The highest number in use."""
        return self._counter("last_seq")

    def last_id(self) -> str | None:
        """The greatest identifier of the newest results and accepted triggers; None where there are none."""
        with self._database.transaction(durable=False) as connection:
            (greatest,) = connection.execute(
                "SELECT max(id) FROM (SELECT id FROM (SELECT id FROM result ORDER BY seq DESC LIMIT 100) UNION ALL "
                "SELECT id FROM (SELECT id FROM accepted ORDER BY number DESC LIMIT 100))"
            ).fetchone()
        return None if greatest is None else str(greatest)

    def evictions(self) -> Evictions:
        """What had to go because the outbox was full."""
        with self._database.transaction(durable=False) as connection:
            counts = connection.execute(
                "SELECT evicted_thumbnail, evicted_sent, evicted_ok, evicted_ng_error FROM counter"
            ).fetchone()
        return Evictions(*counts)

    def close(self) -> None:
        """Release the file. May be called twice."""
        self._database.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        outbox_schema.prepare(connection, self._mark.read())
        if used_bytes(connection) <= LOOKED_AT_BYTES:
            _look_through(connection)
        (self._ran_before,) = connection.execute("SELECT ran_s FROM counter").fetchone()
        self._opened = time.monotonic()

    def _record(self, make: Callable[[int], Result], thumbnail: bytes | None, awaits_confirmation: bool) -> Result:
        with self._database.transaction() as connection:
            (last,) = connection.execute("SELECT last_seq FROM counter").fetchone()
            seq = last + 1
            result = make(seq)
            assert result.seq == seq, "make must put the seq that it is given into the result"
            self._mark.reserve(seq)
            _answer(connection, result, awaits_confirmation)
            worth = 2 if result.verdict is Verdict.OK else 3
            connection.execute(
                "INSERT INTO result VALUES (?, ?, ?, ?, NULL)", (seq, result.id, result.to_json(), worth)
            )
            if thumbnail is not None:
                connection.execute("INSERT INTO thumbnail VALUES (?, ?)", (seq, thumbnail))
            connection.execute("UPDATE counter SET last_seq = ?, ran_s = ?", (seq, self._ran_s()))
            gone = make_room(connection, self._limits)
        if gone.lost and time.monotonic() >= self._next_warning:  # one line an hour, not one a part
            self._next_warning = time.monotonic() + 3600
            log.warning(
                event("outbox-full", lost_ok=gone.ok, lost_ng_error=gone.ng_error, mend="is the broker reachable?")
            )
        return result

    def _refuse_duplicate(self, connection: sqlite3.Connection, trigger: Trigger) -> None:
        if trigger.trigger_id is None:
            return
        known = connection.execute("SELECT id FROM accepted WHERE trigger_id = ?", (trigger.trigger_id,)).fetchone()
        if known:
            raise DuplicateTriggerError(trigger.trigger_id, known[0])

    def _counter(self, name: str) -> int:
        with self._database.transaction(durable=False) as connection:
            return int(connection.execute(f"SELECT {name} FROM counter").fetchone()[0])  # noqa: S608 # nosec B608 # our own names

    def _ran_s(self) -> float:
        return self._ran_before + time.monotonic() - self._opened


def _look_through(connection: sqlite3.Connection) -> None:
    (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if health != "ok":
        raise sqlite3.DatabaseError(str(health))


def _answer(connection: sqlite3.Connection, result: Result, awaits_confirmation: bool) -> None:
    known = connection.execute("SELECT answered_by FROM accepted WHERE id = ?", (result.id,)).fetchone()
    if known is None:  # nobody was promised it: free-run, folder
        return
    if known[0] is not None:
        raise AnsweredError(f"the trigger has its result already, seq {known[0]}", where=result.id)
    connection.execute(
        "UPDATE accepted SET answered_by = ?, confirmed = ? WHERE id = ?",
        (result.seq, 0 if awaits_confirmation else None, result.id),
    )
