"""What the tests of the whole agent share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentFolder
from tests.support.broker import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker").start()
    yield broker
    broker.stop()


@pytest.fixture
def folder(tmp_path: Path, broker: Broker) -> AgentFolder:
    """An agent's folder beside a broker that runs."""
    (tmp_path / "agent").mkdir()
    return AgentFolder(tmp_path / "agent", broker.port)
