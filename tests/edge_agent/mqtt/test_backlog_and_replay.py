"""After an outage live results go first and the backlog drains between them; what was sent can be asked for again."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.results.outbox import Outbox
from tests.support.broker import Broker
from tests.support.listener import Listener
from tests.support.results import maker

Publish = Callable[..., MqttPublisher]


def seqs(listener: Listener) -> list[int]:
    return [result["seq"] for result in listener.json_on("/result")]


def test_a_live_result_does_not_wait_for_a_backlog_and_the_backlog_keeps_its_order(
    broker: Broker, outbox: Outbox, publish: Publish
) -> None:
    for _ in range(400):
        outbox.record(maker())
    with Listener(broker.port) as listener:
        publisher = publish(broker.settings(in_flight=3))  # one result at a time
        live = []
        for start in (10, 40, 70):
            listener.wait(lambda start=start: len(listener.on("/result")) >= start)  # type: ignore[misc]
            live.append(outbox.record(maker()).seq)
            publisher.wake()
        assert publisher.drain(60)
        listener.wait(lambda: len(listener.on("/result")) >= 403)
    order = seqs(listener)
    assert sorted(order) == list(range(1, 404))
    assert [seq for seq in order if seq <= 400] == list(range(1, 401))
    assert [seq for seq in order if seq > 400] == live == [401, 402, 403]
    assert order.index(403) < 350, "it overtook what was left of the backlog"


def test_a_replay_sends_what_was_sent_again_and_says_so(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    publisher = publish(broker.settings())
    with Listener(broker.port) as listener:
        for _ in range(30):
            outbox.record(maker())
        publisher.wake()
        assert publisher.drain(10)
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
        assert publisher.drain(20)
        assert publisher.replay(1, 300)
        listener.wait(lambda: len(listener.on("/result")) >= 340)
        broker.stop()
        broker.start()
        listener.wait(lambda: len({r["seq"] for r in listener.json_on("/result") if "replayed" in r}) == 300, 30)


def test_many_replays_at_once_are_refused(outbox: Outbox, broker: Broker, publish: Publish) -> None:
    broker.stop()
    publisher = publish(broker.settings())
    assert [publisher.replay(1, 2) for _ in range(17)] == [True] * 16 + [False]
