"""The whole agent with a GigE camera that is pulled out and plugged in again."""

from __future__ import annotations

from pathlib import Path

from tests.support.agent import AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.gige_camera import ADDRESS, GigeCameraProcess, need_aravis
from tests.support.listener import Listener

AWAY = {"camera-lost", "no-frame"}
PATIENCE_S = 90.0  # a busy machine; the camera is tried again with pauses


def test_a_gige_camera_that_was_gone_is_an_error_and_comes_back_by_itself(
    tmp_path: Path, folder: AgentFolder, broker: Broker
) -> None:
    need_aravis()
    config = folder.write_config(
        camera={"kind": "gige", "source": ADDRESS, "loop": None},
        gige={"pixel_format": "Mono8"},
        trigger={"deadline_s": 5.0},
    )
    with GigeCameraProcess() as device, AgentProcess(config) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("camera-open", PATIENCE_S)
        agent.wait_for_log("mqtt connected", PATIENCE_S)
        in_turn(listener, ["there"], PATIENCE_S)
        device.pull_out()
        in_turn(listener, ["gone"], PATIENCE_S)
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "degraded", PATIENCE_S)
        listener.wait(lambda: "next try in" in listener.json_on("/status")[-1]["why"], PATIENCE_S)
        device.plug_in()
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "online", PATIENCE_S)
        in_turn(listener, ["back"], PATIENCE_S)
        agent.stop()
    codes = {
        result["part_id"]: {reason["code"] for reason in result["reasons"]} for result in listener.json_on("/result")
    }
    assert codes["gone"] & AWAY
    assert not codes["there"] & AWAY  # its pattern is no part: the verdict is another ERROR
    assert not codes["back"] & AWAY
    assert {result["verdict"] for result in listener.json_on("/result")} == {"ERROR"}
    reasons = [reason for status in listener.json_on("/status") for reason in status.get("reasons", [])]
    assert {reason["code"] for reason in reasons} == {"camera"}
