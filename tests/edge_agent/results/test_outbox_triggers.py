"""An accepted trigger is on disk before anybody is told, and has exactly one result."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Verdict
from edge_agent.pipeline.triggers import Trigger
from edge_agent.results.outbox import AnsweredError, DuplicateTriggerError, Outbox
from tests.support.results import maker


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def answer(outbox: Outbox, trigger: Trigger, *, awaits_confirmation: bool = False) -> int:
    make = maker(Verdict.OK, trigger.part_id)
    return outbox.record(lambda seq: replace(make(seq), id=trigger.id), awaits_confirmation=awaits_confirmation).seq


def test_a_trigger_waits_through_a_kill_until_it_has_its_one_result(path: Path) -> None:
    script = """
        import os, signal, sys
        from pathlib import Path
        from edge_agent.results.outbox import Outbox
        from edge_agent.pipeline.triggers import Trigger
        outbox = Outbox(Path(sys.argv[1]))
        for part in ("a", "b"):
            trigger = Trigger("command", part, trigger_id=f"order {part}")
            outbox.accept(trigger)
            print(trigger.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    ids = subprocess.run(command, check=False, capture_output=True, text=True).stdout.split()
    outbox = Outbox(path)
    found = outbox.unanswered()
    assert [trigger.id for trigger in found] == ids
    assert [(trigger.part_id, trigger.trigger_id) for trigger in found] == [("a", "order a"), ("b", "order b")]
    answer(outbox, found[0])
    assert [trigger.id for trigger in outbox.unanswered()] == ids[1:]
    with pytest.raises(AnsweredError, match="has its result already, seq 1"):
        answer(outbox, found[0])
    assert (outbox.count(), outbox.last_seq) == (1, 1)


def test_the_same_trigger_id_again_is_a_duplicate_before_and_after_its_result_and_after_a_restart(path: Path) -> None:
    outbox = Outbox(path)
    first = Trigger("command", "a", trigger_id="order 7")
    outbox.accept(first)
    for _ in range(2):
        with pytest.raises(DuplicateTriggerError) as caught:
            outbox.accept(Trigger("command", "a", trigger_id="order 7"))
        assert caught.value.id == first.id
        if outbox.unanswered():
            answer(outbox, first)
            outbox.close()
            outbox = Outbox(path)
    outbox.accept(Trigger("command", "a"))
    outbox.accept(Trigger("command", "a"))  # without a trigger_id nothing is a duplicate
    assert len(outbox.unanswered()) == 2


def test_answered_triggers_are_forgotten_some_day_and_unanswered_never(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.results.outbox.REMEMBERED_TRIGGERS", 5)
    outbox = Outbox(path)
    waiting = Trigger("command", "first")
    outbox.accept(waiting)
    for number in range(20):
        trigger = Trigger("command", str(number), trigger_id=str(number))
        outbox.accept(trigger)
        answer(outbox, trigger)
    assert [trigger.id for trigger in outbox.unanswered()] == [waiting.id]
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM accepted").fetchone()[0] <= 7


def test_a_result_that_awaits_it_is_confirmed_once_by_its_id(path: Path) -> None:
    outbox = Outbox(path)
    trigger = Trigger("command", "a")
    outbox.accept(trigger)
    assert not outbox.confirm(trigger.id), "there is no result yet"
    answer(outbox, trigger, awaits_confirmation=True)
    outbox.close()
    outbox = Outbox(path)
    assert outbox.unconfirmed() == [trigger.id]
    assert outbox.confirm(trigger.id)
    assert outbox.confirm(trigger.id), "again does no harm"
    assert not outbox.confirm("something else")
    assert outbox.unconfirmed() == []


def test_the_outbox_of_version_0_1_0_is_taken_over(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            "CREATE TABLE result (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, payload TEXT NOT NULL, thumbnail BLOB);"
            "CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1), last_seq INTEGER NOT NULL);"
            "INSERT INTO counter VALUES (1, 7);"
        )
        for seq, verdict, jpeg in ((6, Verdict.OK, b"jpeg"), (7, Verdict.NG, None)):
            result = maker(verdict, 'a part with "verdict":"OK" in its name')(seq)
            old.execute("INSERT INTO result VALUES (?, ?, ?, ?)", (seq, result.id, result.to_json(), jpeg))
        old.commit()
    outbox = Outbox(path)
    assert [(row.seq, row.thumbnail) for row in outbox.waiting(9)] == [(6, b"jpeg"), (7, None)]
    assert outbox.count() == 2
    with outbox._database.transaction() as connection:
        worth = connection.execute("SELECT worth FROM result ORDER BY seq").fetchall()
    assert worth == [(2,), (3,)]
    outbox.close()
    assert Outbox(path).record(maker()).seq == 8


def test_an_outbox_of_a_later_version_is_left_alone(path: Path) -> None:
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="later version"):
        Outbox(path)
    assert not list(path.parent.glob("*.broken-*"))
