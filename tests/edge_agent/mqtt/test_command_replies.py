"""Commands over a real broker: each gets a reply."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.errors import CameraError
from edge_agent.mqtt.publisher import MqttPublisher
from tests.support.broker import Broker
from tests.support.listener import Listener

BASE = "plant1/line3/jetson-07"
Publish = Callable[..., MqttPublisher]


def ask(listener: Listener, name: str, payload: bytes, **more: Any) -> dict[str, Any]:
    """Publish a command and wait for its reply."""
    before = len(listener.on(f"/reply/{name}"))
    listener.client.publish(f"{BASE}/command/{name}", payload, qos=1, **more)
    listener.wait(lambda: len(listener.on(f"/reply/{name}")) > before)
    return listener.json_on(f"/reply/{name}")[-1]


def test_a_command_is_accepted_and_its_reply_says_which_result_will_follow(broker: Broker, publish: Publish) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        for _ in range(2):  # the same part twice is two inspections
            reply = ask(listener, "inspect", json.dumps({"part_id": "A-1"}).encode())
            assert reply == {
                "command": "inspect",
                "accepted": True,
                "reason": None,
                "part_id": "A-1",
                "id": "the result's id",
            }


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_bad_commands_are_answered_with_the_reason(broker: Broker, publish: Publish, protocol: str) -> None:
    publisher = publish(broker.settings(protocol=protocol))
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        cases = [
            ("inspect", b"", "part_id is missing"),
            ("inspect", b"\xff", "JSON"),
            ("inspect", b"[1]", "array"),
            ("inspect", b'{"part_id": 1}', "text"),
            ("inspect", b"x" * 5000, "4096"),
            ("reboot", b"{}", "no such command"),
            ("", b"{}", "no such command"),
            ("ünknown ☃", b"{}", "no such command"),
        ]
        for name, payload, reason in cases:
            reply = ask(listener, name, payload)
            assert reply["accepted"] is False
            assert reason in reply["reason"]
            assert reply["command"] == name
        assert ask(listener, "inspect", b'{"part_id": "still there"}')["accepted"]


def test_a_retained_command_is_refused_at_once_and_after_a_reconnection(broker: Broker, publish: Publish) -> None:
    obeyed: list[str] = []

    def note(arguments: dict[str, Any]) -> dict[str, Any]:
        obeyed.append("inspect")
        return {}

    publisher = publish(broker.settings(), note)
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        assert "retained" in ask(listener, "inspect", b'{"part_id": "a"}', retain=True)["reason"]
        broker.stop()
        broker.start()
        listener.wait(lambda: len(listener.on("/reply/inspect")) >= 2, 30)  # one may come twice
    assert obeyed == []


def test_the_reply_goes_to_the_response_topic_with_the_correlation_data(broker: Broker, publish: Publish) -> None:
    publisher = publish(broker.settings())
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = "plc/4/answers"
    properties.CorrelationData = b"\x00\x01order 7"
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        listener.client.publish(f"{BASE}/command/inspect", b'{"part_id": "a"}', qos=1, properties=properties)
        listener.wait(lambda: listener.on("plc/4/answers"))
    (reply,) = listener.on("plc/4/answers")
    assert reply.properties.CorrelationData == b"\x00\x01order 7"
    assert json.loads(reply.payload)["accepted"]


def test_nobody_writes_our_status_by_naming_it_as_response_topic(broker: Broker, publish: Publish) -> None:
    publisher = publish(broker.settings())
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = f"{BASE}/status"
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        ask(listener, "inspect", b'{"part_id": "a"}', properties=properties)
        assert all("command" not in status for status in listener.json_on("/status"))


@pytest.mark.parametrize("topic", ["$SYS/broker/uptime", "$share/all/a"])
def test_nobody_ends_our_connection_by_naming_a_topic_of_the_broker(
    broker: Broker, publish: Publish, caplog: pytest.LogCaptureFixture, topic: str
) -> None:
    """Mosquitto cuts off who publishes there."""
    publisher = publish(broker.settings())
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = topic
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        assert ask(listener, "inspect", b'{"part_id": "a"}', properties=properties)["accepted"]
        assert ask(listener, "inspect", b'{"part_id": "b"}')["accepted"]
    assert "lost" not in caplog.text


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(CameraError("has gone away", where="camera"), "camera: has gone away"), (KeyError("bug"), "internal error")],
)
def test_a_command_that_cannot_be_obeyed_is_answered_and_the_connection_stands(
    broker: Broker, publish: Publish, failure: Exception, reason: str
) -> None:
    def fail(arguments: dict[str, Any]) -> dict[str, Any]:
        raise failure

    publisher = publish(broker.settings(), fail)
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        reply = ask(listener, "inspect", b'{"part_id": "a"}')
        assert reply["accepted"] is False
        assert reason in reply["reason"]
        assert publisher.connected
