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


def waiting(layout: Layout) -> int:
    """How many results the broker has not taken. Raises InstallError where that cannot be read."""
    if not layout.outbox.is_file():
        return 0
    try:
        with closing(_open(layout.outbox)) as database:
            return _waiting(database)
    except sqlite3.Error as error:
        raise InstallError(
            f"cannot be read ({error})", where=str(layout.outbox), mend="give --discard-results to lose what it holds"
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


def put_back(layout: Layout, copy: Path) -> Path:
    """Let the copy be the outbox again; where the newer one was put, with what was recorded in it meanwhile."""
    aside = layout.outbox.with_name("outbox.of-failed-upgrade")
    for suffix in ("-wal", "-shm"):
        aside.with_name(aside.name + suffix).unlink(missing_ok=True)
        log = layout.outbox.with_name(layout.outbox.name + suffix)
        if log.exists():
            log.rename(aside.with_name(aside.name + suffix))
    layout.outbox.rename(aside)
    copy.rename(layout.outbox)
    return aside


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _waiting(database: sqlite3.Connection) -> int:
    if database.execute("PRAGMA user_version").fetchone()[0] == 0:  # version 0.1.0 kept what waits, and nothing else
        return int(database.execute("SELECT count(*) FROM result").fetchone()[0])
    return int(database.execute("SELECT count(*) FROM result WHERE worth >= 2").fetchone()[0])


def _give(path: Path, like: Path) -> None:
    owner = like.stat()
    shutil.chown(path, owner.st_uid, owner.st_gid)
