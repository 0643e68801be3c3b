"""Results reach the broker: each, in order, through whatever happens."""

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.results.outbox import Outbox
from tests.support.broker import Broker
from tests.support.listener import PATIENCE_S, Listener, wait_for
from tests.support.proxy import Proxy
from tests.support.results import maker

Publish = Callable[..., MqttPublisher]


def test_200_results_arrive_once_through_a_restart_of_the_broker_and_live_ones_and_backlog_each_in_order(
    broker: Broker, outbox: Outbox, publish: Publish
) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port) as listener:

        def produce() -> None:
            for number in range(200):
                outbox.record(maker(part_id=f"part-{number}"))
                publisher.wake()
                time.sleep(0.01)

        producer = threading.Thread(target=produce)
        producer.start()
        listener.wait(lambda: len(listener.on("/result")) >= 60)
        broker.stop()
        listener.wait(lambda: not publisher.connected)
        broker.start()
        producer.join()
        assert publisher.drain(PATIENCE_S)
        listener.wait(lambda: len({result["seq"] for result in listener.json_on("/result")}) == 200)

    results = listener.json_on("/result")
    first_seen = list(dict.fromkeys(result["id"] for result in results))
    by_id = {result["id"]: result for result in results}
    seqs = [by_id[each]["seq"] for each in first_seen]
    assert sorted(seqs) == list(range(1, 201))
    overtaken = [seq for place, seq in enumerate(seqs) if any(later > seq for later in seqs[:place])]
    live = [seq for seq in seqs if seq not in set(overtaken)]
    assert overtaken == sorted(overtaken)
    assert live == sorted(live)
    assert [by_id[each]["part_id"] for each in first_seen] == [f"part-{seq - 1}" for seq in seqs]
    # what was in flight when the broker stopped may come twice, with the same id; nothing else may
    assert len(results) - 200 <= broker.settings().in_flight
    assert outbox.count() == 0


def test_results_wait_for_a_broker_that_comes_later(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    broker.stop()
    publisher = publish(broker.settings())
    for _ in range(50):
        outbox.record(maker())
        publisher.wake()
    assert not publisher.drain(0.3)
    broker.start()
    assert publisher.drain(PATIENCE_S)


def test_a_connection_that_swallows_everything_is_noticed_by_its_keep_alive_and_nothing_is_lost(
    broker: Broker, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with Proxy(broker.port) as proxy, Listener(broker.port) as listener:
        publisher = publish(broker.settings(port=proxy.port, keepalive_s=1))
        wait_for(lambda: "mqtt connected" in caplog.text)
        proxy.mode = "drop"
        for _ in range(30):  # more than may be in flight
            outbox.record(maker())
            publisher.wake()
        wait_for(lambda: "connection lost" in caplog.text)
        proxy.mode = ""
        assert publisher.drain(PATIENCE_S)
        listener.wait(lambda: {result["seq"] for result in listener.json_on("/result")} == set(range(1, 31)))


def test_unacknowledged_results_survive_a_killed_agent(broker: Broker, tmp_path: Path, publish: Publish) -> None:
    broker.stop()
    script = """
        import os, signal, sys, time
        from pathlib import Path
        from edge_agent.mqtt.publisher import MqttPublisher
        from edge_agent.mqtt.settings import MqttSettings
        from edge_agent.results.outbox import Outbox
        from tests.support.results import maker
        outbox = Outbox(Path(sys.argv[1]))
        settings = MqttSettings("plant1/line3/jetson-07", "127.0.0.1", int(sys.argv[2]))
        publisher = MqttPublisher(settings, outbox, lambda name, arguments: {}, dict)
        publisher.start()
        for _ in range(30):
            outbox.record(maker())
            publisher.wake()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "outbox.db"), str(broker.port)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    broker.start()
    with Listener(broker.port) as listener:
        publisher = publish(broker.settings())  # on the same outbox file
        assert publisher.drain(PATIENCE_S)
        listener.wait(lambda: len(listener.on("/result")) == 30)
    assert [result["seq"] for result in listener.json_on("/result")] == list(range(1, 31))


def test_a_thumbnail_is_a_jpeg_that_names_its_result(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    picture = cv2.imencode(".jpg", np.full((60, 80, 3), 127, np.uint8))[1].tobytes()
    with Listener(broker.port) as listener:
        result = outbox.record(maker(), picture)
        publish(broker.settings())
        listener.wait(lambda: listener.on("/thumbnail"))
    (thumbnail,) = listener.on("/thumbnail")
    assert cv2.imdecode(np.frombuffer(thumbnail.payload, np.uint8), cv2.IMREAD_COLOR).shape == (60, 80, 3)
    assert thumbnail.properties.UserProperty == [("id", result.id)]
    assert thumbnail.qos == 0


def test_a_broker_that_takes_one_message_at_a_time_gets_all(tmp_path: Path, outbox: Outbox, publish: Publish) -> None:
    broker = Broker(tmp_path / "narrow", extra=("max_inflight_messages 1",)).start()
    try:
        for _ in range(30):
            outbox.record(maker())
        assert publish(broker.settings()).drain(PATIENCE_S)
    finally:
        broker.stop()


def test_a_broker_that_forbids_publishing_keeps_the_results_waiting(
    tmp_path: Path, outbox: Outbox, publish: Publish, caplog
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic write plant1/line3/jetson-07/status\ntopic write plant1/line3/jetson-07/info\n")
    broker = Broker(tmp_path / "strict", extra=(f"acl_file {rules}",)).start()
    try:
        outbox.record(maker())
        publisher = publish(broker.settings())
        wait_for(lambda: "the broker does not take result 1: Not authorized" in caplog.text)
        assert not publisher.drain(0.5)
        assert outbox.count() == 1
    finally:
        broker.stop()


def test_metrics_are_sent_when_the_broker_is_there_and_else_forgotten(broker: Broker, publish: Publish) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected)
        publisher.publish_metrics({"results": 3})
        listener.wait(lambda: listener.on("/metrics"))
        broker.stop()
        listener.wait(lambda: not publisher.connected)
        publisher.publish_metrics({"results": 4})
        broker.start()
        listener.wait(lambda: publisher.connected)

        def heard_5() -> bool:  # the listener may be slower to come back, and metrics wait for nobody
            publisher.publish_metrics({"results": 5})
            return {"results": 5} in listener.json_on("/metrics")

        listener.wait(heard_5)
    assert {"results": 4} not in listener.json_on("/metrics")
