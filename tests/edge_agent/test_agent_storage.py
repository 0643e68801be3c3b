"""Without room on the disk pictures stop, and results go on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import waiting_camera
from tests.support.agent import BASE, AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.listener import Listener


def test_with_too_little_free_space_pictures_stop_and_results_go_on(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([True])
    config = folder.write_config(results={"min_free_mb": 10**9})
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("status state=degraded")
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a"])
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "degraded")
        assert agent.stop() == 0
    status = next(s for s in reversed(listener.json_on("/status")) if s["state"] == "degraded")
    assert status["reasons"][0]["code"] == "storage"
    assert "no pictures are kept or sent, results go on" in status["why"]
    assert listener.json_on("/result")[0]["verdict"] == "NG"
    assert not listener.on("/thumbnail")
    assert not list((folder.folder / "results" / "archive").iterdir())


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


def take_all_room(filler: Path) -> None:
    """Page by page, to the last one."""
    with filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_on_a_full_disk_results_go_on_from_memory_and_return_to_the_disk(
    folder: AgentFolder, broker: Broker, small_disk: Path
) -> None:
    folder.write_parts([False])
    config = folder.write_config(results={"min_free_mb": 0})
    part_ids: list[str] = []
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["first"])
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            take_all_room(filler)
        while "results-in-memory" not in agent.log:  # the database uses up what it had reserved
            part_ids.append(str(len(part_ids)))
            assert len(part_ids) < 2000
            in_turn(listener, [part_ids[-1]])
        in_turn(listener, ["last in memory"])
        listener.wait(lambda: "kept in memory" in listener.json_on("/status")[-1]["why"])
        filler.unlink()
        agent.wait_for_log("results-on-disk-again")
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "online")
        in_turn(listener, ["on disk again"])
        assert agent.stop() == 0
    results = listener.json_on("/result")
    assert [result["part_id"] for result in results] == ["first", *part_ids, "last in memory", "on disk again"]
    assert [result["seq"] for result in results] == list(range(1, len(results) + 1))
    assert {result["verdict"] for result in results} == {"OK"}
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["after a restart"])
        assert listener.json_on("/result")[-1]["seq"] == len(results) + 1


def test_a_disk_that_is_full_at_the_start_keeps_no_part_from_being_inspected(
    folder: AgentFolder, broker: Broker, small_disk: Path
) -> None:
    folder.write_parts([False])
    config = folder.write_config(results={"min_free_mb": 0})
    filler = small_disk / "filler"
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            agent.wait_for_log("mqtt connected")
            in_turn(listener, ["a"])
            assert agent.stop() == 0
        with pytest.raises(OSError, match="No space left"):
            take_all_room(filler)
        with AgentProcess(config) as agent:
            agent.wait_for_log("mqtt connected")
            in_turn(listener, ["b", "c"])
            listener.wait(lambda: "kept in memory" in listener.json_on("/status")[-1]["why"])
            filler.unlink()
            agent.wait_for_log("results-on-disk-again")
            in_turn(listener, ["d"])
            assert agent.stop() == 0
    results = [(result["seq"], result["part_id"], result["verdict"]) for result in listener.json_on("/result")]
    assert results == [(1, "a", "OK"), (2, "b", "OK"), (3, "c", "OK"), (4, "d", "OK")]


def test_a_promised_result_that_neither_disk_nor_memory_takes_is_an_error_at_the_next_start(
    folder: AgentFolder, broker: Broker, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_parts([False])
    config = folder.write_config(results={"min_free_mb": 0})
    monkeypatch.setenv(waiting_camera.VARIABLE, str(tmp_path / "now"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "nowhere"))  # where memory would be: it cannot be made
    filler = small_disk / "filler"
    with Listener(broker.port) as listener:
        with AgentProcess(config, [waiting_camera.__name__]) as agent:
            agent.wait_for_log("mqtt connected")
            listener.client.publish(f"{BASE}/command/inspect", json.dumps({"part_id": "a"}), qos=1)
            listener.wait(lambda: listener.json_on("/reply/inspect")[-1]["accepted"])
            with pytest.raises(OSError, match="No space left"):
                take_all_room(filler)
            (tmp_path / "now").touch()
            agent.wait_for_log("not-recorded part=a")
            listener.wait(lambda: listener.json_on("/status")[-1]["reasons"][0]["code"] == "storage")
            assert agent.stop() == 0
            promised = listener.json_on("/reply/inspect")[-1]["id"]
            assert f"ERROR   result-at-next-start id={promised} part=a" in agent.log
        assert not listener.on("/result")
        filler.unlink()
        with AgentProcess(config, [waiting_camera.__name__]):
            listener.wait(lambda: listener.on("/result"))
    (result,) = listener.json_on("/result")
    assert (result["id"], result["part_id"], result["seq"]) == (promised, "a", 1)
    assert (result["verdict"], result["reasons"][0]["code"]) == ("ERROR", "interrupted")
