"""Without room on the disk nothing is accepted, and what was accepted still gets its result."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentFolder, AgentProcess, in_turn, trigger
from tests.support.broker import Broker
from tests.support.listener import Listener


def test_with_too_little_free_space_triggers_are_refused_and_status_says_why(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    config = folder.write_config(results={"min_free_mb": 10**9})
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("status state=degraded")
        agent.wait_for_log("mqtt connected")
        trigger(listener, "a")
        listener.wait(lambda: listener.on("/reply/inspect"))
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "degraded")
        assert agent.stop() == 0
    reply = listener.json_on("/reply/inspect")[0]
    assert (reply["accepted"], reply["code"]) == (False, "storage")
    assert "MB are free" in reply["reason"]
    assert not listener.on("/result")


@pytest.fixture
def small_disk(folder: AgentFolder) -> Iterator[Path]:
    """4 MB for the results, in memory."""
    if os.geteuid() != 0:
        pytest.skip("a full disk was NOT tested: mounting a small tmpfs needs root")
    place = folder.folder / "results"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=False).returncode:
        pytest.skip("a full disk was NOT tested: this machine mounts no tmpfs")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_makes_errors_that_are_recorded_as_soon_as_there_is_room(
    folder: AgentFolder, broker: Broker, small_disk: Path
) -> None:
    folder.write_parts([False])
    config = folder.write_config(results={"min_free_mb": 0})
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a"])
        filler = small_disk / "filler"
        try:
            filler.write_bytes(bytes(8_000_000))
        except OSError:
            assert filler.stat().st_size > 1_000_000
        for part_id in "bc":
            trigger(listener, part_id)
        agent.wait_for_log("not-recorded")
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "degraded")
        filler.unlink()
        listener.wait(lambda: len(listener.on("/result")) == 3)
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "online")
        in_turn(listener, ["d"])
        assert agent.stop() == 0
    results = listener.json_on("/result")
    assert [result["part_id"] for result in results] == ["a", "b", "c", "d"]
    assert [result["seq"] for result in results] == [1, 2, 3, 4]
    assert (results[0]["verdict"], results[3]["verdict"]) == ("OK", "OK")
    assert (results[1]["verdict"], results[1]["reasons"][0]["code"]) == ("ERROR", "storage")
