"""The agent, end to end: a trigger comes over MQTT, one result goes back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.support.agent import AgentFolder, AgentProcess, in_turn, trigger
from tests.support.broker import Broker
from tests.support.listener import Listener


def test_each_command_is_answered_and_gets_one_result_with_the_right_verdict(
    folder: AgentFolder, broker: Broker
) -> None:
    slivers = [False, True, True, False, False]
    folder.write_parts(slivers)
    with AgentProcess(folder.write_config()) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a", "b", "c", "d", "e"])
        listener.wait(lambda: len(listener.on("/thumbnail")) == len(listener.on("/reply/inspect")) == 5)
        assert agent.stop() == 0
    results, replies = listener.json_on("/result"), listener.json_on("/reply/inspect")
    assert [result["part_id"] for result in results] == ["a", "b", "c", "d", "e"]
    assert [result["verdict"] for result in results] == ["NG" if sliver else "OK" for sliver in slivers]
    assert [result["seq"] for result in results] == [1, 2, 3, 4, 5]
    assert [(reply["accepted"], reply["id"]) for reply in replies] == [(True, result["id"]) for result in results]
    assert results[1]["trigger"] == "command"
    assert results[1]["recipe"] == "made-up"
    assert results[1]["engine"]["name"] == "difference 1"
    assert results[1]["components"][0]["length_mm"] > 2
    assert set(results[1]["timing_ms"]) >= {"capture", "queue", "inference", "total"}
    for message in listener.on("/thumbnail"):
        assert cv2.imdecode(np.frombuffer(message.payload, np.uint8), cv2.IMREAD_COLOR) is not None


def test_status_and_info_are_retained_and_stopping_says_so(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    with Listener(broker.port) as listener:
        with AgentProcess(folder.write_config()) as agent:
            listener.wait(lambda: listener.json_on("/status"))
            listener.wait(lambda: listener.json_on("/info"))
            assert agent.stop() == 0
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "stopped")
    info = listener.json_on("/info")[0]
    assert info["recipe"] == {"name": "made-up", "version": "3"}
    assert info["engine"]["backend"] == "onnxruntime"
    assert [status["state"] for status in listener.json_on("/status")] == ["online", "stopped"]


def test_a_broken_picture_is_an_error_and_the_next_part_is_inspected(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False, False, False])
    (folder.parts / "part_001.png").write_bytes(b"no picture")
    with AgentProcess(folder.write_config()) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a", "b", "c"])
    results = listener.json_on("/result")
    assert [result["verdict"] for result in results] == ["OK", "ERROR", "OK"]
    assert results[1]["reasons"][0]["code"] == "bad-picture"
    assert "part_001.png" in results[1]["reasons"][0]["text"]


def test_a_picture_of_something_else_is_an_error_not_ok(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False, False, False])
    cv2.imwrite(str(folder.parts / "part_001.png"), np.zeros((300, 400, 3), np.uint8))
    other = np.random.default_rng(5).integers(0, 255, (300, 400, 3), np.uint8)
    cv2.imwrite(str(folder.parts / "part_002.png"), cv2.GaussianBlur(other, (0, 0), 3))
    with AgentProcess(folder.write_config()) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a", "b", "c"])
    assert [result["verdict"] for result in listener.json_on("/result")] == ["OK", "ERROR", "ERROR"]


def test_more_triggers_than_the_queue_holds_are_refused_and_the_others_each_have_one_result(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    config = folder.write_config(trigger={"queue": 2})
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        for number in range(30):
            trigger(listener, f"p{number}")
        listener.wait(lambda: len(listener.on("/reply/inspect")) == 30)
        replies = listener.json_on("/reply/inspect")
        accepted = [reply["part_id"] for reply in replies if reply["accepted"]]
        listener.wait(lambda: len(listener.on("/result")) == len(accepted))
        assert agent.stop() == 0
    assert [result["part_id"] for result in listener.json_on("/result")] == accepted
    refused = [reply for reply in replies if not reply["accepted"]]
    assert refused
    assert {reply["code"] for reply in refused} == {"busy"}


def test_stopped_in_the_middle_every_accepted_trigger_still_has_its_result(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False, True])
    config = folder.write_config(trigger={"queue": 100})
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            agent.wait_for_log("mqtt connected")
            for number in range(40):
                trigger(listener, f"p{number}")
            listener.wait(lambda: len(listener.on("/result")) >= 3)
            assert agent.stop() == 0
        with AgentProcess(config) as agent:  # sends what the outbox still held
            agent.wait_for_log("mqtt connected")
            replies = listener.json_on("/reply/inspect")
            accepted = [reply["id"] for reply in replies if reply["accepted"]]
            listener.wait(lambda: len({result["id"] for result in listener.json_on("/result")}) >= len(accepted))
            assert agent.stop() == 0
    results = {result["id"]: result for result in listener.json_on("/result")}
    assert list(results) == accepted
    assert {result["verdict"] for result in results.values()} <= {"OK", "NG", "ERROR"}
    stopped = [result for result in results.values() if result["verdict"] == "ERROR"]
    assert all(result["reasons"][0]["code"] == "stopped" for result in stopped)


def test_a_broker_that_goes_away_loses_no_result(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False, True])
    config = folder.write_config(camera={"loop": True}, trigger={"mode": "free-run", "interval_s": 0.1})
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        listener.wait(lambda: len(listener.on("/result")) >= 3)
        broker.stop()
        seen = agent.log.count("result seq=")
        while agent.log.count("result seq=") < seen + 5:
            agent.wait_for_log("mqtt ")
        broker.start()
        expected = agent.log.count("result seq=") + 3
        listener.wait(lambda: len({result["seq"] for result in listener.json_on("/result")}) >= expected, 30)
        assert agent.stop() == 0
    seqs = list(dict.fromkeys(result["seq"] for result in listener.json_on("/result")))
    assert sorted(seqs) == list(range(1, len(seqs) + 1))  # live ones go first after an outage


def test_without_a_broker_the_agent_inspects_all_the_same_and_says_what_is_missing(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    config = folder.write_config(trigger={"mode": "free-run", "interval_s": 0.05})
    with Listener(broker.port) as listener:  # its session outlives the broker's stop: what comes early waits for it
        broker.stop()
        with AgentProcess(config) as agent:
            agent.wait_for_log("result seq=5 ")
            agent.wait_for_log("cannot be reached")
            broker.start()
            agent.wait_for_log("mqtt connected")
            listener.wait(lambda: {*range(1, 6)} <= {result["seq"] for result in listener.json_on("/result")})
            assert agent.stop() == 0
    heard = [result["seq"] for result in listener.json_on("/result")]  # a live one may go first
    assert [seq for seq in heard if seq <= 5] == [1, 2, 3, 4, 5]


def test_a_camera_that_goes_away_is_reopened_and_its_parts_are_errors_meanwhile(
    folder: AgentFolder, broker: Broker, tmp_path: Path
) -> None:
    folder.write_parts([False])
    away = folder.folder / "unplugged"
    folder.parts.rename(away)
    with AgentProcess(folder.write_config(trigger={"deadline_s": 5.0})) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a"])
        listener.wait(lambda: "cannot be read" in listener.json_on("/status")[-1]["why"])
        away.rename(folder.parts)
        agent.wait_for_log("camera-open")
        in_turn(listener, ["b"])
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "online")
        assert agent.stop() == 0
    first, second = listener.json_on("/result")
    assert (first["verdict"], first["reasons"][0]["code"]) == ("ERROR", "camera-lost")
    assert second["verdict"] == "OK"
