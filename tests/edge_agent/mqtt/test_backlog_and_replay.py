"""After an outage live results go first and the backlog drains between them; what was sent can be asked for again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.results.outbox import Outbox
from tests.support.broker import Broker
from tests.support.listener import PATIENCE_S, Listener, wait_for
from tests.support.results import maker

Publish = Callable[..., MqttPublisher]


def test_a_live_result_does_not_wait_for_a_backlog_and_the_backlog_keeps_its_order(
    strict: Any, outbox: Outbox, publish: Publish
) -> None:
    for _ in range(40):
        outbox.record(maker())
    permits = strict.permits = threading.Semaphore(0)
    # Three in flight are one result at a time, beside what is kept for status and replies.
    publisher = publish(MqttSettings("plant1/line3/jetson-07", "127.0.0.1", strict.server_address[1], in_flight=3))
    wait_for(lambda: strict.results == [1])
    for number, live in enumerate((41, 42, 43), 1):
        assert outbox.record(maker()).seq == live
        permits.release(2)  # for what is under way, and for the live one
        wait_for(lambda number=number: len(strict.results) == 1 + 2 * number)  # type: ignore[misc]
    permits.release(100)
    assert publisher.drain(PATIENCE_S)
    assert strict.results == [1, 41, 2, 42, 3, 43, *range(4, 41)]


def test_a_replay_sends_what_was_sent_again_and_says_so(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port) as listener:
        for _ in range(30):
            outbox.record(maker())
        publisher.wake()
        assert publisher.drain(PATIENCE_S)
        listener.wait(lambda: len(listener.on("/result")) == 30)
        assert publisher.replay(5, 24)
        listener.wait(lambda: len(listener.on("/result")) == 50)
        outbox.record(maker())
        publisher.wake()
        listener.wait(lambda: len(listener.on("/result")) == 51)
    results = listener.json_on("/result")
    assert [result["seq"] for result in results[30:50]] == list(range(5, 25))
    assert all(result["replayed"] is True for result in results[30:50])
    assert not any("replayed" in result for result in [*results[:30], results[50]])
    originals = {result["seq"]: result for result in results[:30]}
    for again in results[30:50]:
        del again["replayed"]
        assert again == originals[again["seq"]]


def test_a_replay_goes_on_after_the_connection_broke(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    publisher = publish(broker.settings(in_flight=4))
    with Listener(broker.port) as listener:
        for _ in range(300):
            outbox.record(maker())
        publisher.wake()
        assert publisher.drain(PATIENCE_S)
        assert publisher.replay(1, 300)
        listener.wait(lambda: len(listener.on("/result")) >= 340)
        broker.stop()
        broker.start()
        listener.wait(lambda: len({r["seq"] for r in listener.json_on("/result") if "replayed" in r}) == 300, 30)


def test_many_replays_at_once_are_refused(outbox: Outbox, broker: Broker, publish: Publish) -> None:
    broker.stop()
    publisher = publish(broker.settings())
    assert [publisher.replay(1, 2) for _ in range(17)] == [True] * 16 + [False]
