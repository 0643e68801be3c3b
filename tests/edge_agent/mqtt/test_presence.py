"""What a dashboard knows of the device itself."""

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.results.outbox import Outbox
from tests.support.broker import Broker
from tests.support.listener import Listener, wait_for

Publish = Callable[..., MqttPublisher]


def state(listener: Listener) -> str | None:
    """The last state that was heard."""
    return listener.json_on("/status")[-1]["state"] if listener.on("/status") else None


def test_status_and_info_are_retained(broker: Broker, publish: Publish) -> None:
    publisher = publish(broker.settings())
    publisher.set_status({"state": "degraded", "why": "camera: cannot be opened"})
    with Listener(broker.port) as early:
        early.wait(lambda: early.json_on("/status")[-1:] == [{"state": "degraded", "why": "camera: cannot be opened"}])
        publisher.set_status({"state": "online", "why": ""})
        early.wait(lambda: state(early) == "online")
    with Listener(broker.port, topic_filter="plant1/#") as late:
        late.wait(lambda: late.on("/status") and late.on("/info"))
        assert late.on("/status")[0].retain
        assert late.json_on("/status") == [{"state": "online", "why": ""}]
        assert late.json_on("/info") == [{"version": "0.1.0"}]
        publisher.stop()
        late.wait(lambda: state(late) == "stopped")


def test_an_agent_that_stops_in_order_is_not_reported_lost(broker: Broker, publish: Publish) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected)
        publisher.stop()
        listener.wait(lambda: state(listener) == "stopped")
    with Listener(broker.port) as late:
        late.wait(lambda: late.on("/status"))
        assert state(late) == "stopped"


def test_a_killed_agent_is_reported_offline_by_the_broker(broker: Broker, tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from edge_agent.mqtt.publisher import MqttPublisher
        from edge_agent.mqtt.settings import MqttSettings
        from edge_agent.results.outbox import Outbox
        settings = MqttSettings("plant1/line3/jetson-07", "127.0.0.1", int(sys.argv[2]))
        MqttPublisher(settings, Outbox(Path(sys.argv[1])), lambda name, arguments: {}, dict).start()
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "outbox.db"), str(broker.port)]
    with Listener(broker.port) as listener, subprocess.Popen(command) as agent:
        try:
            listener.wait(lambda: listener.json_on("/status")[-1:] == [{"state": "online", "why": ""}])
        finally:
            agent.kill()
        listener.wait(lambda: state(listener) == "offline")
    assert listener.json_on("/status")[-1]["why"]


def test_the_thread_gives_signs_of_life_connected_and_between_attempts_but_not_while_it_hangs(
    broker: Broker, outbox: Outbox, publish: Publish
) -> None:
    go_on = threading.Event()

    def hang(arguments: dict[str, Any]) -> dict[str, Any]:
        go_on.wait(60)
        return {}

    publisher = publish(broker.settings(reconnect_min_s=600, reconnect_max_s=600), hang)
    with Listener(broker.port) as listener:
        listener.wait(lambda: publisher.connected and listener.on("/info"))
        wait_for(lambda: publisher.silent_s < 0.2)
        listener.client.publish("plant1/line3/jetson-07/command/inspect", b"{}", qos=1)
        wait_for(lambda: publisher.silent_s > 3)  # it wakes once a second when all is well
        go_on.set()
        wait_for(lambda: publisher.silent_s < 0.2)
    broker.stop()
    wait_for(lambda: not publisher.connected)
    time.sleep(1.5)
    assert publisher.silent_s == 0.0
