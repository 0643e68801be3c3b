"""Results that the broker has not taken are not purged by mistake, wherever they wait."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from installer import services
from installer.errors import InstallError
from installer.layout import Layout
from installer.outbox import waiting
from installer.report import Report
from installer.uninstall import uninstall

from edge_agent.results.outbox import Outbox
from tests.support.results import maker


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two results on disk, one of them sent, and another one in memory."""
    layout = Layout(tmp_path)
    with closing(Outbox(layout.outbox)) as outbox:
        outbox.record(maker())
        outbox.record(maker())
        outbox.mark_sent([1])
    with closing(Outbox(tmp_path / "run/matecheck/matecheck-999-0123456789abcdef/outbox.sqlite")) as outbox:
        outbox.record(maker())
    return layout


def test_results_in_memory_count_too(layout: Layout) -> None:
    assert waiting(layout) == 2


def test_a_purge_that_is_refused_stops_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "check_systemd", lambda: None)
    monkeypatch.setattr(services, "stop_and_disable", lambda: pytest.fail("the agent was stopped"))
    with pytest.raises(InstallError, match="holds 2 results that the broker has not taken"):
        uninstall(layout, Report(), purge=True, packaged=True)
    assert layout.outbox.is_file()
