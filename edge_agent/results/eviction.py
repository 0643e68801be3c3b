"""What goes first when the outbox is full."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

from edge_agent.results.database import used_bytes


@dataclass(frozen=True)
class OutboxLimits:
    """How much may stand in the outbox.

    Attributes:
        rows: results, waiting and sent.
        size: bytes of the file that hold something.
        keep_sent_s: sent results stay for a replay so long, counted while the agent runs: no clock can cut it short.
    """

    rows: int = 300_000
    size: int = 512_000_000
    keep_sent_s: float = 24 * 3600.0


@dataclass(frozen=True)
class Evictions:
    """What had to go since the outbox was made because it was full, in the order in which things go.

    Attributes:
        thumbnails: pictures whose result is still there.
        sent: results that the broker had acknowledged, and that were kept for a replay.
        ok, ng_error: results that nobody has seen.
    """

    thumbnails: int = 0
    sent: int = 0
    ok: int = 0
    ng_error: int = 0

    @property
    def lost(self) -> int:
        """Results that nobody has seen."""
        return self.ok + self.ng_error


def make_room(connection: sqlite3.Connection, limits: OutboxLimits) -> Evictions:
    """Delete until the outbox is within its limits again; what went is counted in the same transaction."""
    gone = dict.fromkeys((field.name for field in fields(Evictions)), 0)
    while connection.execute("SELECT rows FROM counter").fetchone()[0] > limits.rows:
        gone[_evict_result(connection)] += 1
    while used_bytes(connection) > limits.size:
        thumbnail = connection.execute("DELETE FROM thumbnail WHERE seq = (SELECT min(seq) FROM thumbnail)").rowcount
        if thumbnail:
            gone["thumbnails"] += 1
        elif connection.execute("SELECT rows FROM counter").fetchone()[0]:
            gone[_evict_result(connection)] += 1
        else:
            break
    evictions = Evictions(**gone)
    if evictions != Evictions():
        connection.execute(
            "UPDATE counter SET evicted_thumbnail = evicted_thumbnail + ?, evicted_sent = evicted_sent + ?, "
            "evicted_ok = evicted_ok + ?, evicted_ng_error = evicted_ng_error + ?",
            (evictions.thumbnails, evictions.sent, evictions.ok, evictions.ng_error),
        )
    return evictions


def _evict_result(connection: sqlite3.Connection) -> str:
    seq, worth = connection.execute("SELECT seq, worth FROM result ORDER BY worth, seq LIMIT 1").fetchone()
    connection.execute("DELETE FROM result WHERE seq = ?", (seq,))
    return ("sent", "sent", "ok", "ng_error")[worth]
