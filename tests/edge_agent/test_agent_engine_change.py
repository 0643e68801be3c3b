"""A running agent takes an engine that is activated, without losing a trigger; one that it cannot use it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.engines.manifest import MODEL
from edge_agent.engines.store import EngineStore
from tests.support.agent import AgentFolder, AgentProcess, in_turn, trigger
from tests.support.artifacts import write_artifact
from tests.support.broker import Broker
from tests.support.listener import Listener


@pytest.fixture
def store(folder: AgentFolder) -> EngineStore:
    store = EngineStore(folder.folder / "engines")
    for name, gain in (("first", 5.0), ("second", 6.0), ("third", 7.0)):
        with store.staged(name) as artifact:
            write_artifact(artifact, gain=gain, precision=name)
    store.activate("first")
    return store


def test_engines_change_while_parts_come_and_every_trigger_has_its_result(
    broker: Broker, folder: AgentFolder, store: EngineStore
) -> None:
    folder.write_parts([False, True])
    config = folder.write_config(engine={"model": None, "store": "engines"}, trigger={"queue": 100})
    with Listener(broker.port) as listener, AgentProcess(config) as agent:
        listener.wait(lambda: listener.on("/status"), 60)
        names = ("second", "third", "first", "second")
        parts = [f"part-{number}" for number in range(40)]
        for number, part in enumerate(parts):
            if number % 10 == 5:  # with parts on their way
                listener.wait(lambda number=number: len(listener.on("/result")) > number - 5, 60)  # type: ignore[misc]
                store.activate(names[number // 10])
            trigger(listener, part)
        listener.wait(lambda: len(listener.json_on("/result")) == len(parts), 60)
        results = listener.json_on("/result")
        assert [result["part_id"] for result in results] == parts
        assert {result["verdict"] for result in results} == {"OK", "NG"}
        assert {result["engine"]["precision"] for result in results} >= {"first", "second"}
        while listener.json_on("/result")[-1]["engine"]["precision"] != "second":  # it may still be loading
            in_turn(listener, ["one more"])
            assert len(listener.on("/result")) < 2000
        listener.wait(lambda: listener.json_on("/info")[-1]["engine"]["precision"] == "second", 60)
        assert agent.stop() == 0


def test_an_engine_that_cannot_be_used_is_told_and_the_one_before_goes_on(
    broker: Broker, folder: AgentFolder, store: EngineStore
) -> None:
    folder.write_parts([False, True])
    (store.folder / "second" / MODEL).write_bytes(b"damaged")
    config = folder.write_config(engine={"model": None, "store": "engines"})
    with Listener(broker.port) as listener, AgentProcess(config) as agent:
        listener.wait(lambda: listener.on("/status"), 60)
        store.activate("second")
        listener.wait(lambda: 'the new engine "second" is not taken' in listener.json_on("/status")[-1]["why"])
        in_turn(listener, ["1", "2"], 60)
        assert [result["engine"]["precision"] for result in listener.json_on("/result")] == ["first", "first"]
        assert {result["verdict"] for result in listener.json_on("/result")} == {"OK", "NG"}
        store.rollback()
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "online", 60)
        assert agent.stop() == 0


def test_a_plan_that_cannot_run_here_is_replaced_by_the_cpu_and_told(
    broker: Broker, folder: AgentFolder, tmp_path: Path
) -> None:
    from tests.support.compiled import write_compiled

    write_compiled(tmp_path / "engine", b"a plan", height=256, width=320)
    folder.write_parts([True])
    config = folder.write_config(engine={"model": str(tmp_path / "engine")})
    with Listener(broker.port) as listener, AgentProcess(config) as agent:
        why = "ONNX Runtime on the CPU instead of TensorRT"
        listener.wait(lambda: why in listener.json_on("/status")[-1]["why"])
        in_turn(listener, ["1"], 60)
        assert listener.json_on("/result")[-1]["verdict"] == "NG"
        assert listener.json_on("/result")[-1]["engine"]["backend"] == "onnxruntime"
        assert agent.stop() == 0
