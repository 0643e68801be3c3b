"""An outbox whose tables a later release has changed: the earlier one goes on with its own, and nothing is lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from installer import outbox
from installer.layout import Layout

from edge_agent.pipeline.triggers import Trigger
from edge_agent.results.outbox import Outbox
from edge_agent.results.sequence_mark import RESERVED
from tests.support.results import maker


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Three results and a trigger without one, and a copy of that beside them; later two results more."""
    layout = Layout(tmp_path)
    with closing(Outbox(layout.outbox)) as before:
        for _ in range(3):
            before.record(maker())
        before.accept(Trigger("command", "a", id="promised before"))
    shutil.copy(layout.outbox, tmp_path / "copy")
    with closing(Outbox(layout.outbox)) as later:
        later.accept(Trigger("command", "b", id="promised later"))
        later.record(maker())
        later.record(maker())
        later.mark_sent([1, 4])
    return layout


def test_what_the_later_release_recorded_and_accepted_is_there_when_the_earlier_goes_on(layout: Layout) -> None:
    with closing(sqlite3.connect(layout.outbox)) as database:
        database.execute("ALTER TABLE counter ADD COLUMN of_later INTEGER")
        database.execute("PRAGMA user_version = 3")
    aside, carried = outbox.put_back(layout, layout.root / "copy")
    assert carried
    assert aside.exists()
    with closing(Outbox(layout.outbox)) as again:
        assert again.last_seq == 5
        assert [row.seq for row in again.waiting(10)] == [1, 2, 3, 5]  # 1 is sent twice, which receivers bear
        assert again.kept(4, 4) == (1, 0)
        assert [trigger.id for trigger in again.unanswered()] == ["promised before", "promised later"]
        assert again.record(maker()).seq == 6


def test_where_the_later_tables_are_unknown_no_number_is_given_twice(layout: Layout) -> None:
    with closing(sqlite3.connect(layout.outbox)) as database:
        database.executescript("DROP TABLE result; DROP TABLE counter")
    _, carried = outbox.put_back(layout, layout.root / "copy")
    assert not carried
    with closing(Outbox(layout.outbox)) as again:
        assert [row.seq for row in again.waiting(10)] == [1, 2, 3]
        assert 5 < again.record(maker()).seq <= 6 + RESERVED
