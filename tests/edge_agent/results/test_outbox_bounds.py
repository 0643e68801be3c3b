"""A full outbox gives up what is worth least, counts it, and never its sequence numbers."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from edge_agent.inspection.inspection import Verdict
from edge_agent.results.eviction import Evictions, OutboxLimits
from edge_agent.results.outbox import Outbox
from tests.support.results import maker

OK, NG, ERROR = Verdict.OK, Verdict.NG, Verdict.ERROR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def waiting(outbox: Outbox) -> list[int]:
    return [row.seq for row in outbox.waiting(1_000_000)]


def present(outbox: Outbox) -> set[int]:
    return {*waiting(outbox), *(row.seq for row in outbox.sent(99, after=0, up_to=99))}


def test_full_by_rows_what_was_sent_goes_first_then_the_oldest_ok_and_ng_and_error_last(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(path, OutboxLimits(rows=6))
    for verdict in (NG, OK, OK, ERROR, OK, NG):  # seq 1 to 6
        outbox.record(maker(verdict))
    outbox.mark_sent([1, 3])
    gone = []
    for _ in range(5):  # 7 to 11
        before = present(outbox)
        outbox.record(maker(NG))
        gone += sorted(before - present(outbox))
    assert gone == [3, 1, 2, 5, 4]
    outbox.record(maker(OK))
    assert present(outbox) == {6, 7, 8, 9, 10, 11}, "a new OK is worth less than an old NG"
    assert outbox.evictions() == Evictions(thumbnails=0, sent=2, ok=3, ng_error=1)
    assert "outbox-full" in caplog.text
    assert outbox.record(maker(NG)).seq == 13


def test_full_by_bytes_the_oldest_thumbnails_go_before_any_result(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(size=600_000))
    for _ in range(40):
        outbox.record(maker(OK), thumbnail=bytes(30_000))
    rows = outbox.waiting(100)
    assert len(rows) == 40
    with_thumbnail = [row.seq for row in rows if row.thumbnail]
    assert with_thumbnail
    assert with_thumbnail == list(range(41 - len(with_thumbnail), 41)), "the oldest go first"
    assert outbox.evictions() == Evictions(thumbnails=40 - len(with_thumbnail))
    assert path.stat().st_size < 900_000


def test_full_of_results_alone_the_file_stays_bounded_and_ng_survive_ok(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(size=250_000))
    for number in range(500):
        outbox.record(maker(NG if number % 10 == 0 else OK))
    gone = outbox.evictions()
    assert gone.ok > 50
    assert gone.ng_error == 0
    assert sum(1 for row in outbox.waiting(999) if '"NG"' in row.payload) == 50
    assert path.stat().st_size < 400_000


def test_the_counts_of_evictions_and_seq_survive_a_restart(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(rows=3))
    for _ in range(5):
        outbox.record(maker(OK))
    outbox.close()
    outbox = Outbox(path, OutboxLimits(rows=3))
    assert outbox.evictions() == Evictions(ok=2)
    assert (outbox.count(), outbox.last_seq) == (3, 5)
    assert outbox.record(maker(OK)).seq == 6


def test_sent_results_stay_for_a_replay_for_the_configured_time_and_no_longer(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(keep_sent_s=0.3))
    for _ in range(3):
        outbox.record(maker(NG), thumbnail=b"jpeg")
    outbox.mark_sent([1, 2])
    assert outbox.count() == 1
    assert outbox.kept(1, 3) == (2, 1)
    assert [(row.seq, row.thumbnail) for row in outbox.sent(9, after=0, up_to=3)] == [(1, None), (2, None)]
    time.sleep(0.4)
    outbox.mark_sent([3])
    assert outbox.kept(1, 3) == (1, 0)
    assert outbox.evictions() == Evictions(), "what has had its time was not evicted"


def test_the_time_that_a_sent_result_is_kept_counts_on_after_a_restart_and_needs_no_clock(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(keep_sent_s=0.5))
    outbox.record(maker())
    outbox.mark_sent([1])
    time.sleep(0.3)
    outbox.mark_sent([])  # notes how long it ran
    outbox.close()
    time.sleep(0.3)  # off: does not count
    outbox = Outbox(path, OutboxLimits(keep_sent_s=0.5))
    outbox.mark_sent([])
    assert outbox.kept(1, 1) == (1, 0)
    time.sleep(0.3)
    outbox.mark_sent([])
    assert outbox.kept(1, 1) == (0, 0)


def test_kept_for_no_time_a_sent_result_is_gone_at_once(path: Path) -> None:
    outbox = Outbox(path, OutboxLimits(keep_sent_s=0))
    outbox.record(maker())
    outbox.mark_sent([1])
    assert outbox.kept(1, 1) == (0, 0)


def test_a_large_backlog_opens_quickly_and_is_read_in_order(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    outbox = Outbox(path)
    with outbox._database.transaction() as connection:  # a weekend in one transaction
        payload = maker()(1).to_json()
        connection.executemany(
            "INSERT INTO result VALUES (?, ?, ?, 3, NULL)", ((seq, f"id {seq}", payload) for seq in range(1, 50_001))
        )
        connection.execute("UPDATE counter SET last_seq = 50000")
    outbox.close()
    began = time.monotonic()
    outbox = Outbox(path)
    assert outbox.count() == 50_000
    assert [row.seq for row in outbox.waiting(3, after=40_000)] == [40_001, 40_002, 40_003]
    assert time.monotonic() - began < 5
    assert outbox.record(maker()).seq == 50_001
