"""While the disk takes nothing, results go on in memory, with the numbers that follow, and come back to the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Verdict
from edge_agent.pipeline.triggers import Trigger
from edge_agent.results import relief as module
from edge_agent.results.eviction import OutboxLimits
from edge_agent.results.outbox import AnsweredError, DuplicateTriggerError, Outbox
from edge_agent.results.relief import ReliefOutbox, memory_folder
from edge_agent.results.result import Result
from tests.support.results import maker


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[ReliefOutbox]:
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")) as outbox:
        yield outbox


def fill(outbox: Outbox) -> None:
    """From now on SQLite itself says that the disk is full."""
    with outbox._database.transaction() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    outbox._database._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="full"), outbox._database.transaction() as connection:
        connection.execute("CREATE TABLE filler AS SELECT zeroblob(1000000)")


def make_room(outbox: Outbox) -> None:
    """The end of `fill`."""
    outbox._database._connection.execute("PRAGMA max_page_count = 1073741823")


def big(trigger: Trigger | None = None, verdict: Verdict = Verdict.OK) -> Callable[[int], Result]:
    """A result of many kilobytes, for which a full disk has no place left."""

    def make(seq: int) -> Result:
        result = replace(maker(verdict)(seq), source="x" * 20_000)
        return replace(result, id=trigger.id) if trigger else result

    return make


def test_results_go_on_in_memory_with_the_numbers_that_follow(outbox: ReliefOutbox) -> None:
    assert outbox.record(big()).seq == 1
    fill(outbox)
    assert [outbox.record(big()).seq for _ in range(3)] == [2, 3, 4]
    assert "kept in memory, a power cut would lose them" in outbox.trouble
    assert "full" in outbox.trouble
    assert (outbox.count(), outbox.last_seq) == (4, 4)
    assert [row.seq for row in outbox.waiting(10)] == [1, 2, 3, 4]
    assert [row.seq for row in outbox.waiting(2, after=1)] == [2, 3]


def test_they_move_to_the_disk_as_soon_as_it_takes_them(outbox: ReliefOutbox, tmp_path: Path) -> None:
    outbox.record(big())
    fill(outbox)
    results = [outbox.record(big()) for _ in range(3)]
    outbox.mark_sent([1, 2])
    make_room(outbox)
    assert [row.seq for row in outbox.waiting(10)] == [3, 4]
    assert outbox.trouble == ""
    assert not (tmp_path / "memory").exists()
    assert outbox.record(big()).seq == 5
    outbox.close()
    with closing(Outbox(tmp_path / "outbox.sqlite")) as plain:
        assert [(row.seq, row.id) for row in plain.waiting(10)][:2] == [(r.seq, r.id) for r in results[1:]]
        assert [row.seq for row in plain.sent(10, after=0, up_to=10)] == [1, 2]
        assert (plain.last_seq, plain.count()) == (5, 3)


def test_a_process_that_ends_meanwhile_loses_nothing(tmp_path: Path) -> None:
    first = ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")
    first.record(big())
    fill(first)
    results = [first.record(big()) for _ in range(2)]
    first._database._connection.close()  # killed: nothing is closed in order
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")) as second:
        assert [row.id for row in second.waiting(10)][1:] == [result.id for result in results]
        assert second.record(big()).seq == 4


@pytest.mark.parametrize("still_full", [False, True])
def test_after_a_power_cut_no_number_that_memory_gave_is_given_again(tmp_path: Path, still_full: bool) -> None:
    first = ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")
    first.record(big())
    fill(first)
    given = [first.record(big()).seq for _ in range(3)]
    first._database._connection.close()
    shutil.rmtree(tmp_path / "memory")
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")) as second:
        if still_full:
            fill(second)
        after = [second.record(big()).seq for _ in range(2)]
        assert after[0] > given[-1]
        assert after[1] == after[0] + 1
        make_room(second)
        assert second.record(big()).seq == after[1] + 1
        assert second.trouble == ""
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")) as third:
        assert third.record(big()).seq == after[1] + 2
        assert [row.seq for row in third.waiting(10)] == [1, *after, after[1] + 1, after[1] + 2]


def test_a_trigger_accepted_on_disk_is_answered_in_memory_once(outbox: ReliefOutbox, tmp_path: Path) -> None:
    on_disk, in_memory = Trigger("command", trigger_id="a"), Trigger("command", trigger_id="b")
    outbox.accept(on_disk)
    fill(outbox)
    outbox.record(big(on_disk))
    outbox.accept(in_memory)
    with pytest.raises(AnsweredError):
        outbox.record(big(on_disk))
    with pytest.raises(DuplicateTriggerError):
        outbox.accept(Trigger("command", trigger_id="a"))
    assert [trigger.id for trigger in outbox.unanswered()] == [in_memory.id]
    make_room(outbox)
    outbox.count()
    with closing(Outbox(tmp_path / "outbox.sqlite")) as plain:
        assert [trigger.id for trigger in plain.unanswered()] == [in_memory.id]
        with pytest.raises(DuplicateTriggerError):
            plain.accept(Trigger("command", trigger_id="b"))


def test_memory_is_bounded_and_what_goes_is_counted(outbox: ReliefOutbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", OutboxLimits(rows=5))
    fill(outbox)
    outbox.record(big(verdict=Verdict.NG))
    for _ in range(9):
        outbox.record(big())
    assert [row.seq for row in outbox.waiting(20)] == [1, 7, 8, 9, 10]
    make_room(outbox)
    assert [row.seq for row in outbox.waiting(20)] == [1, 7, 8, 9, 10]
    assert outbox.evictions().ok == 5


def test_where_memory_is_refused_too_the_error_is_that_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "file" / "memory")) as outbox:
        fill(outbox)
        with pytest.raises(StorageError, match="full"):
            outbox.record(big())
        make_room(outbox)
        assert outbox.record(big()).seq == 1


def test_a_place_in_memory_that_somebody_else_has_made_is_not_used(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    Outbox(stranger / "outbox.sqlite").close()
    (tmp_path / "memory").symlink_to(stranger)
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", memory=tmp_path / "memory")) as outbox:
        assert outbox.trouble == ""
        fill(outbox)
        with pytest.raises(StorageError, match="full"):
            outbox.record(big())


def test_pictures_are_left_out_while_they_are_not_welcome(tmp_path: Path) -> None:
    welcome = False
    with closing(ReliefOutbox(tmp_path / "outbox.sqlite", pictures_welcome=lambda: welcome)) as outbox:
        outbox.record(big(), b"jpeg")
        welcome = True
        outbox.record(big(), b"jpeg")
        assert [row.thumbnail for row in outbox.waiting(2)] == [None, b"jpeg"]


def test_the_service_has_a_place_of_its_own_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert memory_folder(tmp_path / "a").parent == Path("/dev/shm")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/matecheck:/run/other")
    assert memory_folder(tmp_path / "a").parent == Path("/run/matecheck")
    assert memory_folder(tmp_path / "a") != memory_folder(tmp_path / "b")


def test_no_number_is_given_twice_when_the_disk_is_full_again_before_the_next_result(tmp_path: Path) -> None:
    place, memory = tmp_path / "outbox.sqlite", tmp_path / "memory"
    with closing(ReliefOutbox(place, memory=memory)) as outbox:
        outbox.record(big())
        fill(outbox)
        assert outbox.record(big()).seq == 2
        assert outbox.trouble
    with closing(ReliefOutbox(place, memory=memory)) as outbox:  # the disk takes what was in memory
        assert not outbox.trouble
        assert outbox.last_seq == 2
        fill(outbox)
        result = outbox.record(big())
        assert result.seq == 3
        make_room(outbox)
        assert [row.seq for row in outbox.waiting(9)] == [1, 2, 3]
        assert not outbox.trouble


def test_a_trigger_that_comes_twice_while_the_disk_cannot_be_read_keeps_nothing_in_memory(
    outbox: ReliefOutbox,
) -> None:
    before = Trigger("command", "4711", trigger_id="t-1")
    outbox.accept(before)
    outbox.record(big(before))
    fill(outbox)
    assert outbox.record(big()).seq == 2  # in memory from now on
    twin = Trigger("command", "4711", trigger_id="t-1")
    assert outbox._memory
    outbox._memory.accept(twin)  # the disk could not be asked whether it knows it
    outbox.record(big(twin))
    make_room(outbox)
    assert [row.seq for row in outbox.waiting(9)] == [1, 2, 3]
    assert not outbox.trouble
    with pytest.raises(DuplicateTriggerError) as known:
        outbox.accept(Trigger("command", "4711", trigger_id="t-1"))
    assert known.value.id == before.id
