"""Everything else that may be asked of a running agent: recipes, pause, pictures, replays; and the record of it."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.edge_agent.test_agent_handshake import ask, is_ready
from tests.support.agent import MADE_UP, AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.listener import Listener


def test_recipes_are_selected_from_the_library_and_stay_selected_through_a_restart(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([True])
    library = folder.folder / "library"
    coarse = replace(MADE_UP, name="coarse", version="1", limits=replace(MADE_UP.limits, min_length_px=500.0))
    coarse.save(library / "coarse")
    config = folder.write_config(recipe={"library": "library"})
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            listener.wait(lambda: is_ready(listener), 60)
            in_turn(listener, ["a"])
            assert ask(listener, "select-recipe", recipe="../recipe")["code"] == "unknown-recipe"
            assert "there are: coarse" in ask(listener, "select-recipe", recipe="fine")["reason"]
            reply = ask(listener, "select-recipe", recipe="coarse")
            assert (reply["accepted"], reply["recipe"]) == (True, {"name": "coarse", "version": "1"})
            in_turn(listener, ["b"])
            replace(coarse, version="2", limits=MADE_UP.limits).save(library / "coarse", overwrite=True)
            assert ask(listener, "reload")["recipe"] == {"name": "coarse", "version": "2"}
            in_turn(listener, ["c"])
            assert agent.stop() == 0
        with AgentProcess(config) as agent:
            agent.wait_for_log("mqtt connected", 60)
            in_turn(listener, ["d"])
        listener.wait(lambda: listener.json_on("/info")[-1]["recipe"]["version"] == "2")
    results = listener.json_on("/result")
    assert [(result["recipe"], result["recipe_version"], result["verdict"]) for result in results] == [
        ("made-up", "3", "NG"),
        ("coarse", "1", "OK"),
        ("coarse", "2", "NG"),
        ("coarse", "2", "NG"),
    ]
    assert listener.json_on("/info")[-1]["recipes"] == ["coarse"]


def test_a_paused_agent_refuses_triggers_and_says_so_until_it_resumes(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    with AgentProcess(folder.write_config()), Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        assert ask(listener, "pause")["accepted"]
        listener.wait(lambda: listener.json_on("/handshake")[-1]["code"] == "paused")
        listener.wait(lambda: "paused" in listener.json_on("/status")[-1]["why"])
        assert ask(listener, "inspect", part_id="a")["code"] == "paused"
        assert ask(listener, "resume", now=True)["code"] == "invalid"
        assert ask(listener, "resume")["accepted"]
        in_turn(listener, ["b"])
    assert [result["part_id"] for result in listener.json_on("/result")] == ["b"]


def test_a_snapshot_is_a_picture_without_a_result(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False, True])
    with AgentProcess(folder.write_config()), Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        reply = ask(listener, "snapshot", width_px=200)
        listener.wait(lambda: listener.on("jetson-07/snapshot"))
        assert ask(listener, "snapshot", width_px=-1)["code"] == "invalid"
    (message,) = listener.on("jetson-07/snapshot")
    picture = cv2.imdecode(np.frombuffer(message.payload, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (150, 200, 3)
    assert reply["camera_px"] == [400, 300]
    assert message.properties.UserProperty == [("id", reply["id"])]
    assert not listener.on("/result")


def test_teach_is_off_unless_allowed_and_then_makes_a_recipe_that_can_be_selected(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    with Listener(broker.port) as listener:
        with AgentProcess(folder.write_config(recipe={"library": "library"})) as agent:
            listener.wait(lambda: is_ready(listener), 60)
            assert ask(listener, "teach", recipe="x3")["code"] == "not-allowed"
            assert agent.stop() == 0
        config = folder.write_config(recipe={"library": "library"})
        config.write_text(config.read_text() + "[commands]\nallow_teach = true\n")
        with AgentProcess(config):
            listener.wait(lambda: is_ready(listener), 60)
            assert "no name of a recipe" in ask(listener, "teach", recipe="../x3")["reason"]
            assert "region" in ask(listener, "teach", recipe="x3", region="1,2 nonsense")["reason"]
            reply = ask(listener, "teach", recipe="x3", min_length_mm=0.5, version="7")
            assert (reply["recipe"], reply["template_px"]) == ({"name": "x3", "version": "7"}, [400, 300])
            assert ask(listener, "teach", recipe="x3")["code"] == "exists"
            assert ask(listener, "select-recipe", recipe="x3")["accepted"]
            in_turn(listener, ["a"])
    assert listener.json_on("/result")[-1]["recipe"] == "x3"
    assert listener.json_on("/result")[-1]["verdict"] == "OK"


def test_a_replay_says_what_will_come_what_waits_and_what_is_gone(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    config = folder.write_config(results={"outbox_rows": 3})
    with AgentProcess(config), Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        in_turn(listener, ["a", "b", "c", "d", "e"])
        assert ask(listener, "replay", from_seq=9, to_seq=12)["code"] == "unknown-seq"
        assert ask(listener, "replay", from_seq=3, to_seq=2)["code"] == "invalid"
        reply = ask(listener, "replay", from_seq=1, to_seq=4)
        assert (reply["gone"], reply["replayed"] + reply["waiting"]) == (2, 2)
        listener.wait(lambda: len([r for r in listener.json_on("/result") if r.get("replayed")]) == reply["replayed"])
        listener.wait(lambda: listener.on("/evicted") and listener.json_on("/evicted")[-1]["sent"] >= 1, 30)


def test_every_command_is_in_the_audit_log_on_disk_and_on_its_topic(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    who = Properties(PacketTypes.PUBLISH)
    who.UserProperty = ("from", "operator Meier")
    with AgentProcess(folder.write_config()) as agent, Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        accepted = ask(listener, "inspect", who, part_id="a")
        ask(listener, "inspect", part_id=7)
        ask(listener, "reboot")
        listener.client.publish("plant1/line3/jetson-07/command/inspect", b"\xff{", qos=1)
        listener.wait(lambda: len(listener.on("/audit")) == 4)
        assert agent.stop() == 0
    entries = listener.json_on("/audit")
    written = (folder.folder / "results" / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in written] == entries
    assert [(entry["command"], entry["outcome"]) for entry in entries] == [
        ("inspect", "accepted"),
        ("inspect", "refused"),
        ("reboot", "refused"),
        ("inspect", "refused"),
    ]
    assert entries[0]["asked"] == {"part_id": "a"}
    assert entries[0]["answer"]["id"] == accepted["id"]
    assert entries[0]["sender"]["user_properties"] == [["from", "operator Meier"]]
    assert entries[1]["answer"]["code"] == "invalid"
    assert entries[2]["answer"]["code"] == "unknown-command"
    assert all(entry["at"].endswith("Z") for entry in entries)
