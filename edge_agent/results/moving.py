"""Moves everything from one outbox into another whose numbers end where those of the first begin."""

from __future__ import annotations

from edge_agent.results.database import Database

AT_ONCE = 500  # results in one transaction


def move_everything(source: Database, target: Database) -> int:
    """Results and accepted triggers, in order, some at a time; returns how many results.

    Ended in the middle, it can be begun again: what the target has already is not put there twice.

    Raises:
        StorageError: one of both refuses. What was moved until then stays moved.
    """
    _move_promises(source, target)
    moved = 0
    while count := _move_results(source, target):
        moved += count
    with source.transaction(durable=False) as connection:
        counted = connection.execute(
            "SELECT last_seq, evicted_thumbnail, evicted_sent, evicted_ok, evicted_ng_error FROM counter"
        ).fetchone()
    with target.transaction() as connection:
        connection.execute(
            "UPDATE counter SET last_seq = max(last_seq, ?), evicted_thumbnail = evicted_thumbnail + ?, "
            "evicted_sent = evicted_sent + ?, evicted_ok = evicted_ok + ?, evicted_ng_error = evicted_ng_error + ?",
            counted,
        )
    return moved


def _move_promises(source: Database, target: Database) -> None:
    with source.transaction(durable=False) as connection:
        promises = connection.execute(
            "SELECT id, trigger_id, kind, part_id, accepted_at, answered_by, confirmed FROM accepted ORDER BY number"
        ).fetchall()
    with target.transaction() as connection:
        known = dict(connection.execute("SELECT trigger_id, id FROM accepted WHERE trigger_id IS NOT NULL"))
        # One that is known under another id was accepted while the target could not be asked: both keep their results.
        rows = [(key, name if known.get(name, key) == key else None, *rest) for key, name, *rest in promises]
        connection.executemany(
            "INSERT INTO accepted (id, trigger_id, kind, part_id, accepted_at, answered_by, confirmed) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET answered_by = excluded.answered_by, confirmed = excluded.confirmed",
            rows,
        )


def _move_results(source: Database, target: Database) -> int:
    with source.transaction(durable=False) as connection:
        rows = connection.execute(
            "SELECT seq, id, payload, worth FROM result ORDER BY seq LIMIT ?", (AT_ONCE,)
        ).fetchall()
    if not rows:
        return 0
    last = rows[-1][0]
    with target.transaction() as connection:
        (now,) = connection.execute("SELECT ran_s FROM counter").fetchone()
        connection.executemany(
            "INSERT OR IGNORE INTO result (seq, id, payload, worth, sent_at) VALUES (?, ?, ?, ?, ?)",
            [(seq, name, payload, worth, now if worth < 2 else None) for seq, name, payload, worth in rows],
        )
        connection.execute("UPDATE counter SET last_seq = max(last_seq, ?)", (last,))
    with source.transaction(durable=False) as connection:
        connection.execute("DELETE FROM result WHERE seq <= ?", (last,))
    return len(rows)
