from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.mqtt.result_stream import ResultStream
from edge_agent.results import relief
from edge_agent.results.relief import ReliefOutbox
from tests.support.results import maker


def test_what_another_program_kept_from_being_read_is_sent_when_it_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relief, "RETRY_S", 0.0)
    place = tmp_path / "outbox.sqlite"
    with closing(ReliefOutbox(place, memory=tmp_path / "memory")) as outbox:
        stream = ResultStream(outbox)
        stream.connected()
        outbox._database._connection.execute("PRAGMA busy_timeout = 0")
        outbox.record(maker())
        with closing(sqlite3.connect(place, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert outbox.record(maker()).seq == 2  # in memory
            (first,) = stream.next(10)
            assert first.row.seq == 2
            stream.sent(1, first)
            other.execute("ROLLBACK")
        stream.acknowledged(1)
        outbox.mark_sent([2])
        sent = [result.row.seq for _ in range(2) for result in stream.next(10)]
        assert sent == [1]
