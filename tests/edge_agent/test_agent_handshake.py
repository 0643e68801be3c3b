"""The handshake with a PLC: ready, trigger, busy, result, acknowledgement; and what is refused."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.commands.command import Request
from edge_agent.commands.inspect import Inspect
from edge_agent.errors import CommandError
from edge_agent.inspection.inspection import Reason
from edge_agent.pipeline.handshake import handshake
from edge_agent.pipeline.triggers import Trigger, TriggerQueue
from tests.support import waiting_camera
from tests.support.agent import BASE, AgentFolder, AgentProcess
from tests.support.broker import Broker
from tests.support.listener import Listener


def ask(listener: Listener, name: str, properties: Properties | None = None, **arguments: Any) -> dict[str, Any]:
    """Send a command and return its reply."""
    before = len(listener.on(f"/reply/{name}"))
    listener.client.publish(f"{BASE}/command/{name}", json.dumps(arguments), qos=1, properties=properties)
    listener.wait(lambda: len(listener.on(f"/reply/{name}")) > before, 60)
    return listener.json_on(f"/reply/{name}")[-1]


def is_ready(listener: Listener) -> bool:
    return listener.json_on("/handshake")[-1:] != [] and listener.json_on("/handshake")[-1]["ready"]


def test_ready_goes_while_the_only_place_is_taken_and_comes_back_after_the_acknowledgement(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    config = folder.write_config(trigger={"queue": 1, "acknowledge": True})
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            listener.wait(lambda: is_ready(listener), 60)
            result_id = ask(listener, "inspect", part_id="a")["id"]
            listener.wait(lambda: listener.on("/result"))
            listener.wait(lambda: listener.json_on("/handshake")[-1]["code"] == "unacknowledged")
            assert [state["ready"] for state in listener.json_on("/handshake")].count(True) == 1
            reply = ask(listener, "inspect", part_id="b")
            assert (reply["accepted"], reply["code"]) == (False, "unacknowledged")
            assert ask(listener, "acknowledge", id="something else")["code"] == "unknown-id"
            assert agent.stop() == 0
        with AgentProcess(config):  # a restart does not forget it
            listener.wait(lambda: listener.json_on("/handshake")[-1]["code"] == "unacknowledged", 60)
            assert ask(listener, "acknowledge", id=result_id)["accepted"]
            listener.wait(lambda: is_ready(listener), 60)
            assert ask(listener, "inspect", part_id="b")["accepted"]
            listener.wait(lambda: len(listener.on("/result")) == 2)
    assert [result["part_id"] for result in listener.json_on("/result")] == ["a", "b"]


def test_a_killed_agent_answers_each_accepted_trigger_once_with_error_after_its_restart(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    config = folder.write_config(trigger={"queue": 200})
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            listener.wait(lambda: is_ready(listener), 60)
            for number in range(100):
                listener.client.publish(
                    f"{BASE}/command/inspect", json.dumps({"part_id": str(number), "trigger_id": f"t{number}"}), qos=1
                )
            listener.wait(lambda: len(listener.on("/reply/inspect")) >= 20)
            agent.process.send_signal(signal.SIGKILL)
            agent.process.wait(10)
        accepted = {reply["id"]: reply["part_id"] for reply in listener.json_on("/reply/inspect") if reply["accepted"]}
        with AgentProcess(config):
            listener.wait(lambda: accepted.keys() <= {result["id"] for result in listener.json_on("/result")}, 60)
            duplicate = ask(listener, "inspect", part_id="0", trigger_id="t0")
            assert (duplicate["code"], accepted[duplicate["id"]]) == ("duplicate", "0")
    verdicts: dict[str, set[str]] = {}
    for result in listener.json_on("/result"):
        verdicts.setdefault(result["id"], set()).add(json.dumps(result, sort_keys=True))
    assert all(len(versions) == 1 for versions in verdicts.values()), "the same id, the same result"
    last = {result["id"]: result for result in listener.json_on("/result")}
    interrupted = [result for result in last.values() if result["verdict"] == "ERROR"]
    assert interrupted, "the agent was killed in the middle"
    assert {result["reasons"][0]["code"] for result in interrupted} == {"interrupted"}
    assert all(last[result_id]["part_id"] == part_id for result_id, part_id in accepted.items())
    assert sorted(result["seq"] for result in last.values()) == list(range(1, len(last) + 1))
    assert all(result["trigger_id"] == f"t{result['part_id']}" for result in last.values())


def test_a_part_that_is_not_inspected_in_time_is_an_error_at_its_deadline(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    config = folder.write_config(trigger={"queue": 200, "deadline_s": 0.4})
    with AgentProcess(config) as agent, Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        for number in range(150):  # more than can be done in that time
            listener.client.publish(f"{BASE}/command/inspect", json.dumps({"part_id": str(number)}), qos=1)
        listener.wait(lambda: len(listener.on("/reply/inspect")) == 150, 30)
        accepted = [reply for reply in listener.json_on("/reply/inspect") if reply["accepted"]]
        listener.wait(lambda: len(listener.on("/result")) == len(accepted), 30)
        assert agent.stop() == 0
    codes = [result["reasons"][0]["code"] for result in listener.json_on("/result") if result["verdict"] == "ERROR"]
    assert set(codes) <= {"deadline", "no-frame"}
    assert "deadline" in codes or "no-frame" in codes


def test_busy_lasts_from_the_trigger_to_the_result() -> None:
    triggers = TriggerQueue(limit=1, deadline_s=10)
    assert handshake(triggers) == {"ready": True, "busy": False, "outstanding": 0, "code": "", "why": ""}
    trigger = Trigger("command", "a")
    triggers.accept(trigger)
    state = handshake(triggers)
    assert (state["ready"], state["busy"], state["code"]) == (False, True, "busy")
    triggers.give(trigger, Reason("no-frame", ""))
    assert triggers.take(0)
    assert handshake(triggers) == state
    triggers.settle(trigger)
    assert handshake(triggers)["ready"]


@pytest.mark.parametrize(
    ("request_", "synced", "code"),
    [
        (Request({"part_id": "a", "expires_at": "past"}), True, "expired"),
        (Request({"part_id": "a", "expires_at": "future"}), False, "clock-not-synced"),
        (Request({"part_id": "a"}, expires_in_s=0), True, "expired"),
    ],
)
def test_an_expired_trigger_is_refused_and_so_is_one_whose_expiry_cannot_be_judged(
    request_: Request, synced: bool, code: str
) -> None:
    triggers = TriggerQueue(2, 10)
    now = datetime.now(timezone.utc)
    times = {"past": now - timedelta(seconds=5), "future": now + timedelta(seconds=5)}
    arguments = dict(request_.arguments)
    if "expires_at" in arguments:
        arguments["expires_at"] = times[arguments["expires_at"]].isoformat()
    with pytest.raises(CommandError) as caught:
        Inspect(triggers, self_triggered=False, clock_synced=lambda: synced).obey(
            Request(arguments, request_.expires_in_s)
        )
    assert caught.value.code == code
    assert triggers.outstanding == 0


def test_an_expiry_in_the_future_is_a_deadline() -> None:
    triggers = TriggerQueue(2, 10)
    moment = (datetime.now(timezone.utc) + timedelta(seconds=3)).isoformat()
    command: Callable[[Request], dict[str, Any]] = Inspect(triggers, False, lambda: True).obey
    assert command(Request({"part_id": "a", "expires_at": moment}))["part_id"] == "a"
    (trigger,) = triggers.without_picture(0)
    assert trigger.within_s is not None
    assert 2 < trigger.within_s <= 3


def test_what_is_left_of_the_expiry_of_its_message_is_the_deadline_of_a_trigger(
    folder: AgentFolder, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_parts([False])
    monkeypatch.setenv(waiting_camera.VARIABLE, str(tmp_path / "never"))
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = 2
    config = folder.write_config(trigger={"deadline_s": 3000.0})
    with AgentProcess(config, [waiting_camera.__name__]), Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        assert ask(listener, "inspect", properties, part_id="a")["accepted"]
        listener.wait(lambda: listener.on("/result"))
    (result,) = listener.json_on("/result")
    assert (result["verdict"], result["reasons"][0]["code"]) == ("ERROR", "no-frame")


def test_a_trigger_that_expires_while_the_broker_holds_it_is_never_inspected(
    folder: AgentFolder, broker: Broker
) -> None:
    folder.write_parts([False])
    with AgentProcess(folder.write_config()) as agent, Listener(broker.port) as listener:
        listener.wait(lambda: is_ready(listener), 60)
        agent.process.send_signal(signal.SIGSTOP)
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = 1
        for number in range(60):  # the broker sends 20 that are not acknowledged, and keeps the others
            listener.client.publish(
                f"{BASE}/command/inspect", json.dumps({"part_id": str(number)}), qos=1, properties=properties
            )
        time.sleep(2.5)
        agent.process.send_signal(signal.SIGCONT)
        ask(listener, "inspect", part_id="last")
        listener.wait(lambda: any(reply["part_id"] == "last" for reply in listener.json_on("/reply/inspect")))
        assert len(listener.on("/reply/inspect")) <= 21
