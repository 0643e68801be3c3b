"""What a broker says it can bear is kept; what it does not take is said."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.results.outbox import Outbox
from edge_agent.results.result import Result
from tests.edge_agent.mqtt.strict_broker import StrictBroker
from tests.support.broker import Broker
from tests.support.listener import PATIENCE_S, Listener, wait_for
from tests.support.results import SLIVER, maker

Publish = Callable[..., MqttPublisher]


def large(seq: int) -> Result:
    """A result with as many components as there may be."""
    return replace(maker()(seq), components=(SLIVER,) * 100, components_total=140)


def test_a_result_larger_than_the_broker_takes_comes_with_fewer_components(
    tmp_path: Path, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path / "narrow", extra=("max_packet_size 8192",)).start()
    try:
        with Listener(broker.port) as listener:
            outbox.record(large, thumbnail=bytes(20_000))
            outbox.record(maker(), thumbnail=bytes(1000))
            assert publish(broker.settings()).drain(PATIENCE_S)
            listener.wait(lambda: len(listener.on("/result")) == 2 and listener.on("/thumbnail"))
    finally:
        broker.stop()
    first, second = listener.json_on("/result")
    assert first["components_total"] == 140
    assert 1 <= len(first["components"]) < 100
    assert first["verdict"] == "NG"
    assert second["components_total"] == 1
    assert [len(thumbnail.payload) for thumbnail in listener.on("/thumbnail")] == [1000]
    assert "larger than the broker takes: plant1/line3/jetson-07/thumbnail" in caplog.text


def settings(server: Any, **changes: Any) -> MqttSettings:
    address = {"host": "127.0.0.1", "port": server.server_address[1], "reconnect_min_s": 0.1, "reconnect_max_s": 0.4}
    return MqttSettings("plant1/line3/jetson-07", **(address | changes))


@pytest.mark.parametrize("maximum", [1, 2, 5])
def test_never_more_is_on_its_way_than_the_broker_takes(
    strict: Any, outbox: Outbox, publish: Publish, maximum: int
) -> None:
    strict.connack = b"\x21" + struct.pack("!H", maximum)  # Receive Maximum
    for _ in range(12):
        outbox.record(maker())
    publisher = publish(settings(strict))
    publisher.set_handshake({"ready": True})
    assert publisher.drain(PATIENCE_S)
    assert 1 <= strict.most <= maximum


def test_a_quota_keeps_results_waiting_says_so_and_the_connection_stands(
    strict: Any, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    strict.answer = 0x97
    outbox.record(maker())
    publisher = publish(settings(strict))
    wait_for(lambda: "the broker does not take result 1: Quota exceeded; raise the broker's quota" in publisher.trouble)
    assert not publisher.drain(1.5)  # some attempts more
    assert publisher.connected
    assert caplog.text.count("Quota exceeded") == 1
    strict.answer = 0
    assert publisher.drain(PATIENCE_S)
    wait_for(lambda: publisher.trouble == "")


def test_a_limit_on_size_that_was_not_told_shortens_the_result_and_holds_up_no_other(
    tmp_path: Path, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path / "narrow", extra=("message_size_limit 5000",)).start()
    try:
        with Listener(broker.port) as listener:
            outbox.record(large)
            outbox.record(maker())
            assert publish(broker.settings()).drain(PATIENCE_S)
            listener.wait(lambda: len({result["seq"] for result in listener.json_on("/result")}) == 2)
    finally:
        broker.stop()
    first = next(result for result in listener.json_on("/result") if result["seq"] == 1)
    assert 1 <= len(first["components"]) < 100
    assert first["components_total"] == 140
    assert "the broker takes no larger ones" in caplog.text


def test_a_broker_without_qos_1_is_refused_because_results_could_get_lost(
    strict: Any, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    strict.connack = b"\x24\x00"  # Maximum QoS 0
    outbox.record(maker())
    publisher = publish(settings(strict))
    wait_for(lambda: "takes no QoS 1" in caplog.text)
    assert not publisher.drain(0.5)
    assert outbox.count() == 1


def test_a_refused_subscription_is_trouble(tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(StrictBroker):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(b"\x20\x03\x00\x00\x00")
            while packet := self.request.recv(65536):
                at = packet.find(b"\x82")
                if at >= 0:
                    self.request.sendall(b"\x90\x04" + packet[at + 2 : at + 4] + b"\x00\x87")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusing) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        publisher = publish(settings(server))
        wait_for(lambda: "commands will not arrive: the broker refuses (Not authorized)" in publisher.trouble)
        publisher.stop()
        server.shutdown()


def test_a_flood_of_commands_does_not_fill_the_memory_and_results_still_come(
    broker: Broker, outbox: Outbox, publish: Publish
) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port, topic_filter="plant1/line3/jetson-07/result") as listener:
        for number in range(3000):
            payload = json.dumps({"part_id": str(number)})
            listener.client.publish("plant1/line3/jetson-07/command/inspect", payload, qos=0)
        outbox.record(maker())
        publisher.wake()
        listener.wait(lambda: listener.on("/result"), 30)
        assert publisher.connected


def test_thumbnails_expire(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    with Listener(broker.port) as listener:
        outbox.record(maker(), thumbnail=b"jpeg")
        publish(broker.settings(thumbnail_expiry_s=77))
        listener.wait(lambda: listener.on("/thumbnail"))
    (thumbnail,) = listener.on("/thumbnail")
    assert 70 <= thumbnail.properties.MessageExpiryInterval <= 77


def test_a_picture_beyond_a_limit_that_was_not_told_costs_no_result_its_components(
    tmp_path: Path, outbox: Outbox, publish: Publish
) -> None:
    broker = Broker(tmp_path / "narrow", extra=("message_size_limit 5000",)).start()
    try:
        with Listener(broker.port) as listener:
            publisher = publish(broker.settings())
            listener.wait(lambda: publisher.connected and listener.on("/info"))
            for number in range(3):
                publisher.publish_snapshot(bytes(20_000), str(number))
                outbox.record(lambda seq: replace(maker()(seq), components=(SLIVER,) * 8, components_total=8))
                publisher.wake()
                assert publisher.drain(PATIENCE_S)
            listener.wait(lambda: len({result["seq"] for result in listener.json_on("/result")}) == 3)
    finally:
        broker.stop()
    assert {len(result["components"]) for result in listener.json_on("/result")} == {8}
    assert not listener.on("/snapshot")


def test_a_reply_that_its_sender_has_made_too_large_is_left_out_and_the_connection_stands(
    tmp_path: Path, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    broker = Broker(tmp_path / "narrow", extra=("max_packet_size 2000",)).start()
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = bytes(1930)
    try:
        with Listener(broker.port, topic_filter="+/+/+/reply/#") as listener:
            publisher = publish(broker.settings())
            wait_for(lambda: publisher.connected and "mqtt connected" in caplog.text)
            topic = "plant1/line3/jetson-07/command/inspect"
            listener.client.publish(topic, b"{}", qos=1, properties=properties)
            listener.client.publish(topic, b'{"part_id": "a"}', qos=1)
            listener.wait(lambda: listener.on("/reply/inspect"))
    finally:
        broker.stop()
    (reply,) = listener.json_on("/reply/inspect")
    assert reply["accepted"]
    assert "larger than the broker takes: plant1/line3/jetson-07/reply/inspect" in caplog.text
