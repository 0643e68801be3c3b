from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from calibration.place import Place
from tests.support.calibration import calibration_place, fill


@pytest.fixture(scope="session")
def filled_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set that is enough for a calibration; nobody writes into it."""
    place = calibration_place(tmp_path_factory.mktemp("filled"))
    fill(place)
    return place.pairs


@pytest.fixture
def place(tmp_path: Path, filled_set: Path) -> Place:
    """An agent whose set is full."""
    made = calibration_place(tmp_path)
    shutil.copytree(filled_set, made.pairs)
    return made


@pytest.fixture
def config(place: Place) -> Path:
    """Its agent.toml."""
    return place.model.with_name("agent.toml")


@pytest.fixture(autouse=True)
def _same_niceness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands step back behind the agent for good; here they run in the process of the tests."""
    monkeypatch.setattr("calibration.priority.NICENESS", 0)
