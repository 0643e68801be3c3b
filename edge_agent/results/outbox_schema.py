"""The tables of the outbox, and the way from those of version 0.1.0."""

from __future__ import annotations

import sqlite3

VERSION = 2

# `worth`, the least goes first: 0 sent OK, 1 sent NG or ERROR, 2 waiting OK, 3 waiting NG or ERROR.
# The counts are kept by triggers, so that nobody can forget them, and no start has to count a weekend's rows.
# `answered_by`: seq of the result, NULL as long as there is none. `confirmed` is 0 while an acknowledgement is awaited.
_TABLES = """
CREATE TABLE result (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, payload TEXT NOT NULL, worth INTEGER NOT NULL, sent_at REAL
);
CREATE INDEX result_worth ON result (worth, seq);
CREATE INDEX result_waiting ON result (seq) WHERE worth >= 2;
CREATE INDEX result_sent_at ON result (sent_at) WHERE sent_at IS NOT NULL;
CREATE TABLE thumbnail (seq INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE accepted (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, trigger_id TEXT UNIQUE, kind TEXT NOT NULL, part_id TEXT,
    accepted_at TEXT NOT NULL, answered_by INTEGER, confirmed INTEGER
);
CREATE INDEX accepted_unanswered ON accepted (number) WHERE answered_by IS NULL;
CREATE INDEX accepted_unconfirmed ON accepted (number) WHERE confirmed = 0;
CREATE TABLE counter (
    one INTEGER PRIMARY KEY CHECK (one = 1), last_seq INTEGER NOT NULL, rows INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0, ran_s REAL NOT NULL DEFAULT 0, evicted_thumbnail INTEGER NOT NULL DEFAULT 0,
    evicted_sent INTEGER NOT NULL DEFAULT 0, evicted_ok INTEGER NOT NULL DEFAULT 0,
    evicted_ng_error INTEGER NOT NULL DEFAULT 0
);
CREATE TRIGGER result_inserted AFTER INSERT ON result BEGIN
    UPDATE counter SET rows = rows + 1, waiting = waiting + (NEW.worth >= 2);
END;
CREATE TRIGGER result_deleted AFTER DELETE ON result BEGIN
    UPDATE counter SET rows = rows - 1, waiting = waiting - (OLD.worth >= 2);
    DELETE FROM thumbnail WHERE seq = OLD.seq;
END;
CREATE TRIGGER result_sent AFTER UPDATE OF worth ON result BEGIN
    UPDATE counter SET waiting = waiting + (NEW.worth >= 2) - (OLD.worth >= 2);
    DELETE FROM thumbnail WHERE seq = OLD.seq AND NEW.worth < 2;
END;
"""
_FROM_VERSION_1 = """
BEGIN IMMEDIATE;
ALTER TABLE result RENAME TO result_1;
ALTER TABLE counter RENAME TO counter_1;
{tables}
INSERT INTO counter (one, last_seq) SELECT 1, last_seq FROM counter_1;
INSERT INTO result
    SELECT seq, id, payload, CASE WHEN instr(payload, '"verdict":"OK"') THEN 2 ELSE 3 END, NULL FROM result_1;
INSERT INTO thumbnail SELECT seq, thumbnail FROM result_1 WHERE thumbnail IS NOT NULL;
DROP TABLE result_1;
DROP TABLE counter_1;
PRAGMA user_version = {version:d};
COMMIT;
"""
_NEW = """
BEGIN IMMEDIATE;
{tables}
INSERT INTO counter (one, last_seq) VALUES (1, {last_seq:d});
PRAGMA user_version = {version:d};
COMMIT;
"""


def prepare(connection: sqlite3.Connection, last_seq: int) -> None:
    """Make the tables if the file is new, or bring an older one up to date.

    Args:
        last_seq: the last number that may have been used already, for a file that is new.

    Raises:
        sqlite3.DatabaseError: the file is broken, or was written by a later version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.OperationalError(f"it was written by a later version of matecheck (its schema is {version})")
    if version == VERSION:
        return
    is_version_1 = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'counter'").fetchone() is not None
    if is_version_1:
        connection.executescript(_FROM_VERSION_1.format(tables=_TABLES, version=VERSION))
    else:
        connection.executescript(_NEW.format(tables=_TABLES, version=VERSION, last_seq=last_seq))
