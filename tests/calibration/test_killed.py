"""Killed at any moment, `calibrate` leaves the engine that ran and a readable set, and the next call goes on."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest

from calibration.cli.main import main
from calibration.pair_set import PairSet
from calibration.place import Place
from edge_agent.config import load
from tests.support.agent import AgentFolder, AgentProcess
from tests.support.artifacts import write_artifact
from tests.support.calibrate_process import killed_after, what_is_broken
from tests.support.killed import killed_at
from tests.support.line import write_line

SEED = 20261122
INT8_KILLS, INT8_S = 4, 4.0  # seconds: about what it takes to make this tiny engine
COLLECT_KILLS, COLLECT_S = 3, 1.0


@pytest.fixture
def old(place: Place) -> str:
    """The engine that runs."""
    with place.store.staged("old") as folder:
        write_artifact(folder)
    place.store.activate("old")
    return "old"


def test_at_random_moments_of_int8_the_old_engine_stays_and_the_next_call_goes_on(
    place: Place, config: Path, old: str
) -> None:
    moments = np.random.default_rng(SEED).uniform(0, INT8_S, INT8_KILLS)
    killed = 0
    for seconds in (0.0, *moments):  # the first one certainly before it is done
        killed += killed_after(["int8", config], seconds)
        assert not what_is_broken(place, [old])
        made = [name for name in place.store.names() if name != old]
        if made and seconds > INT8_S / 2:  # from the beginning again
            place.store.remove(made[0])
            shutil.rmtree(place.work)
    assert killed
    assert main(["int8", str(config)]) == 0
    assert not what_is_broken(place, [old])
    assert not list(place.store.folder.glob(".staged-*"))
    assert main(["activate", str(config)]) == 0
    (new,) = (name for name in place.store.names() if name != old)
    assert not what_is_broken(place, [new])


def test_at_every_touch_of_the_disk_by_activate_the_old_or_the_new_engine_is_current(
    place: Place, config: Path, old: str
) -> None:
    assert main(["int8", str(config)]) == 0
    (new,) = (name for name in place.store.names() if name != old)
    for moment in itertools.count(1):
        killed = killed_at(moment, lambda: main(["activate", str(config), new]))
        assert not what_is_broken(place, [old, new])
        current = place.store.current()
        assert current
        if not killed:
            assert current.name == new
            break
        place.store.activate(old)
    assert moment > 10
    assert main(["rollback", str(config)]) == 0
    assert not what_is_broken(place, [old])


def test_at_random_moments_of_collect_no_picture_is_torn_and_the_next_call_goes_on(tmp_path: Path) -> None:
    folder = AgentFolder(tmp_path, port=1)
    write_line(folder.parts, 60)
    trigger = {"mode": "free-run", "interval_s": 0.0}
    quiet = {"archive_mb": 0, "thumbnail_width_px": 0}
    config = folder.write_config(trigger=trigger, results=quiet, engine={"store": "engines"})
    place = Place.of(load(config))
    with place.store.staged("old") as artifact:
        write_artifact(artifact)
    place.store.activate("old")
    with AgentProcess(config) as agent:
        agent.wait_for_log("agent-started", 60)
        before: set[str] = set()
        for seconds in np.random.default_rng(SEED).uniform(0, COLLECT_S, COLLECT_KILLS):
            assert killed_after(["collect", config, "--every", "0"], seconds)
            assert not what_is_broken(place, ["old"])
            now = {entry.id for entry in PairSet(place.pairs).entries}
            assert before <= now
            before = now
        assert main(["collect", str(config), "--every", "0", "--minutes", "0.02"]) == 1
        assert agent.process.poll() is None
    assert before < {entry.id for entry in PairSet(place.pairs).entries}
    assert not list(place.pairs.glob("*.part"))
