"""Folder mode: every image one result, then the agent ends."""

from __future__ import annotations

from tests.support.agent import AgentFolder, AgentProcess
from tests.support.broker import Broker
from tests.support.listener import Listener


def test_every_image_gets_one_result_and_the_agent_ends(folder: AgentFolder, broker: Broker) -> None:
    slivers = [number % 3 == 0 for number in range(12)]
    folder.write_parts(slivers)
    (folder.parts / "part_005.png").write_bytes(b"\x89PNG broken")
    with Listener(broker.port) as listener:
        with AgentProcess(folder.write_config(trigger={"mode": "folder"}, camera={"loop": False})) as agent:
            assert agent.wait() == 0
        listener.wait(lambda: len(listener.on("/result")) == 12)
    results = listener.json_on("/result")
    expected = ["NG" if sliver else "OK" for sliver in slivers]
    expected[5] = "ERROR"
    assert [result["verdict"] for result in results] == expected
    assert {result["trigger"] for result in results} == {"file"}
    assert results[3]["source"].endswith("part_003.png")


def test_without_a_broker_the_end_of_the_folder_says_what_waits_and_the_next_start_sends_it(
    folder: AgentFolder, broker: Broker
) -> None:
    broker.stop()
    folder.write_parts([False, True])
    config = folder.write_config(trigger={"mode": "folder", "drain_s": 0.3}, camera={"loop": False})
    with AgentProcess(config) as agent:
        assert agent.wait() == 1
        assert "results-wait count=2" in agent.log
    broker.start()
    with Listener(broker.port) as listener, AgentProcess(config) as agent:
        assert agent.wait() == 0
        listener.wait(lambda: len(listener.on("/result")) == 4)
    assert [result["seq"] for result in listener.json_on("/result")] == [1, 2, 3, 4]


def test_a_folder_that_is_missing_ends_the_agent_with_a_clear_line(folder: AgentFolder) -> None:
    config = folder.write_config(trigger={"mode": "folder"}, camera={"loop": False})
    with AgentProcess(config) as agent:
        assert agent.wait() == 2
        assert "the folder cannot be read" in agent.log
        assert "Traceback" not in agent.log


def test_the_wait_for_the_broker_at_the_end_can_be_stopped(folder: AgentFolder, broker: Broker) -> None:
    broker.stop()
    folder.write_parts([False])
    config = folder.write_config(trigger={"mode": "folder", "drain_s": 600}, camera={"loop": False})
    with AgentProcess(config) as agent:
        agent.wait_for_log("waiting-for-broker results=1")
        assert agent.stop() == 1
        assert "results-wait count=1" in agent.log
