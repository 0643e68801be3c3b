"""The results that wait on the device: counted before they would be lost, kept for a release that is gone back to."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from installer.errors import InstallError
from installer.layout import Layout

_SCHEMA = "from edge_agent.results.outbox_schema import VERSION; print(VERSION)"

_TRIGGER = "number, id, trigger_id, kind, part_id, accepted_at, answered_by, confirmed"
_NEWS = f"""
BEGIN IMMEDIATE;
INSERT INTO main.result (seq, id, payload, worth, sent_at)
    SELECT seq, id, payload, worth, sent_at FROM later.result WHERE seq > (SELECT last_seq FROM main.counter);
INSERT OR REPLACE INTO main.accepted ({_TRIGGER}) SELECT {_TRIGGER} FROM later.accepted;
UPDATE main.counter SET last_seq = (SELECT last_seq FROM later.counter);
COMMIT;
"""  # noqa: S608 # nosec B608 # our own names


def waiting(layout: Layout) -> int:
    """How many results the broker has not taken, on disk and in memory, where they go while the disk is full.

    Raises InstallError where that cannot be read.
    """
    return sum(_count(path) for path in (layout.outbox, *layout.outboxes_in_memory))


def _count(path: Path) -> int:
    if not path.is_file():
        return 0
    try:
        with closing(_open(path)) as database:
            return _waiting(database)
    except sqlite3.Error as error:
        raise InstallError(
            f"cannot be read ({error})", where=str(path), mend="give --discard-results to lose what it holds"
        ) from error


def keep_for(layout: Layout, release: Path) -> Path | None:
    """Copy the outbox where `release` will change its tables, so that the release before it can go on; where it went.

    Call it while no agent runs. Raises InstallError if it cannot be copied.
    """
    if not layout.outbox.is_file():
        return None
    asked = [str(release / "bin/python"), "-I", "-c", _SCHEMA]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    copy = layout.outbox.with_name("outbox.before-upgrade")
    try:
        with closing(_open(layout.outbox)) as database:
            if str(database.execute("PRAGMA user_version").fetchone()[0]) == said:
                return None
            copy.unlink(missing_ok=True)
            with closing(sqlite3.connect(copy)) as target:
                database.backup(target)
        shutil.copystat(layout.outbox, copy)
        _give(copy, layout.outbox)
    except (sqlite3.Error, OSError) as error:
        copy.unlink(missing_ok=True)
        raise InstallError(f"cannot be copied ({error})", where=str(layout.outbox), mend="make room") from error
    return copy


def put_back(layout: Layout, copy: Path) -> tuple[Path, bool]:
    """Let the copy be the outbox again, with what was accepted and recorded in the newer one meanwhile.

    Call it while no agent runs.

    Returns:
        where the newer one was put, and whether what is new in it could be carried over. If not, the numbers of its
        results are left out: none is given twice.
    """
    carried = _carry_over(layout.outbox, copy)
    aside = layout.outbox.with_name("outbox.of-failed-upgrade")
    for suffix in ("-wal", "-shm"):
        aside.with_name(aside.name + suffix).unlink(missing_ok=True)
        log = layout.outbox.with_name(layout.outbox.name + suffix)
        if log.exists():
            log.rename(aside.with_name(aside.name + suffix))
    layout.outbox.rename(aside)
    copy.rename(layout.outbox)
    return aside, carried


def _carry_over(later: Path, copy: Path) -> bool:
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        try:
            database.execute("ATTACH ? AS later", (str(later),))
            database.executescript(_NEWS)
        except sqlite3.Error:  # tables that we do not know
            if database.in_transaction:
                database.execute("ROLLBACK")
            database.execute("UPDATE counter SET last_seq = max(last_seq, ?)", (_reserved(later),))
            return False
    return True


def _reserved(path: Path) -> int:
    """The highest number that may be in use, as the agent notes it beside the outbox."""
    try:
        return int(path.with_name(path.name + ".seq").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _waiting(database: sqlite3.Connection) -> int:
    if database.execute("PRAGMA user_version").fetchone()[0] == 0:  # version 0.1.0 kept what waits, and nothing else
        return int(database.execute("SELECT count(*) FROM result").fetchone()[0])
    return int(database.execute("SELECT count(*) FROM result WHERE worth >= 2").fetchone()[0])


def _give(path: Path, like: Path) -> None:
    owner = like.stat()
    shutil.chown(path, owner.st_uid, owner.st_gid)
