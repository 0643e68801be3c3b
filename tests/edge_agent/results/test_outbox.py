import errno
import json
import logging
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.results.eviction import OutboxLimits
from edge_agent.results.outbox import Outbox
from edge_agent.results.sequence_mark import RESERVED
from tests.support.results import maker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


def test_results_wait_in_order_until_they_are_acknowledged(path: Path) -> None:
    outbox = Outbox(path)
    recorded = [outbox.record(maker(), thumbnail=b"jpeg%d" % number) for number in range(5)]
    assert [result.seq for result in recorded] == [1, 2, 3, 4, 5]
    waiting = outbox.waiting(limit=3)
    assert [row.seq for row in waiting] == [1, 2, 3]
    assert waiting[0].thumbnail == b"jpeg0"
    assert json.loads(waiting[0].payload)["id"] == recorded[0].id == waiting[0].id
    outbox.mark_sent([1])
    outbox.mark_sent([1])
    assert [row.seq for row in outbox.waiting(limit=9, after=2)] == [3, 4, 5]
    assert outbox.count() == 4


def test_seq_goes_on_after_a_restart_even_when_nothing_waits(path: Path) -> None:
    outbox = Outbox(path)
    for seq in (1, 2, 3):
        outbox.record(maker())
        outbox.mark_sent([seq])
    outbox.close()
    outbox.close()
    assert Outbox(path).record(maker()).seq == 4


def test_a_result_that_cannot_be_made_uses_no_seq(path: Path) -> None:
    outbox = Outbox(path)

    def fail(seq: int) -> None:
        raise KeyError(seq)

    with pytest.raises(KeyError):
        outbox.record(fail)  # type: ignore[arg-type]
    assert outbox.record(maker()).seq == 1


def test_threads_share_an_outbox_without_gap_or_loss(path: Path) -> None:
    outbox = Outbox(path)
    taken: list[int] = []

    def work() -> None:
        for _ in range(25):
            taken.append(outbox.record(maker()).seq)
            outbox.mark_sent([outbox.waiting(limit=1)[0].seq])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 101))


def test_committed_results_survive_a_killed_process(path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from edge_agent.results.outbox import Outbox
        from tests.support.results import maker
        outbox = Outbox(Path(sys.argv[1]))
        for _ in range(7):
            outbox.record(maker(), thumbnail=b"x")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    outbox = Outbox(path)
    assert [row.seq for row in outbox.waiting(limit=100)] == list(range(1, 8))
    assert outbox.record(maker()).seq == 8


@pytest.mark.parametrize("damage", ["not a database", "hole"])
def test_a_broken_database_is_set_aside_and_seq_never_goes_back(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(path)
    for _ in range(50):
        outbox.record(maker())
    outbox.close()
    content = path.read_bytes()
    path.write_bytes(b"garbage" * 999 if damage == "not a database" else content[:4096] + b"\xff" * 8192)
    with caplog.at_level(logging.ERROR):
        outbox = Outbox(path)
    assert "outbox-broken" in caplog.text
    assert len([aside for aside in path.parent.glob("outbox.db.broken-*") if "-wal" not in aside.name]) == 1
    first = outbox.record(maker()).seq
    assert first == 1 + RESERVED + 1
    assert outbox.record(maker()).seq == first + 1
    outbox.close()
    path.unlink()
    assert Outbox(path).record(maker()).seq > first + 1


def _break(path: Path) -> None:
    """Overwrite what an open outbox has on disk."""
    with closing(sqlite3.connect(path)) as other:  # its change makes the outbox read the file again
        other.execute("DELETE FROM result WHERE seq = 1")
        other.commit()
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))


def test_a_database_that_breaks_while_running_does_not_lose_the_next_result(path: Path) -> None:
    outbox = Outbox(path)
    for _ in range(50):
        outbox.record(maker(), thumbnail=b"x" * 5000)
    _break(path)
    assert outbox.record(maker()).seq > 50
    assert outbox.count() >= 1
    assert list(path.parent.glob("outbox.db.broken-*"))


def test_a_broken_database_that_cannot_be_set_aside_is_an_error_that_mends_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(path)
    for _ in range(50):
        outbox.record(maker(), thumbnail=b"x" * 5000)
    _break(path)

    def read_only(_self: Path, _target: Path) -> Path:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", read_only)
        for _ in range(3):
            with pytest.raises(StorageError, match="Read-only"):
                outbox.record(maker())
    assert outbox.record(maker()).seq > 50


def test_a_full_outbox_forgets_the_oldest_and_says_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(path, OutboxLimits(rows=3))
    for _ in range(5):
        outbox.record(maker())
    assert [row.seq for row in outbox.waiting(limit=9)] == [3, 4, 5]
    assert "outbox-full" in caplog.text


def test_a_full_disk_is_an_error_that_mends_itself(path: Path) -> None:
    script = """
        import resource, sys
        from pathlib import Path
        from edge_agent.errors import StorageError
        from edge_agent.results.outbox import Outbox
        from tests.support.results import maker
        outbox = Outbox(Path(sys.argv[1]))
        outbox.record(maker())
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            outbox.record(maker(), thumbnail=bytes(100_000))
        except StorageError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        print(outbox.record(maker()).seq)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], check=True, capture_output=True, text=True
    )
    said, seq = done.stdout.splitlines()
    assert "outbox.db: cannot be used" in said
    assert seq == "2"


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "outbox.db", tmp_path):
        with pytest.raises(StorageError, match="cannot be used"):
            Outbox(path)
