"""A whole agent with its engine on the GPU; when the GPU fails parts are ERROR, then the CPU takes over and says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.engines.store import EngineStore
from tests.support.agent import AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.compiled import write_compiled
from tests.support.gpu.fake_tensorrt import make_plan
from tests.support.listener import Listener
from tests.support.models import write_difference_model

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="NOT RUN: plans are loaded of root alone")
PROGRAM = ("tests.support.gpu.process", "edge-agent")
HEIGHT, WIDTH = 256, 320


@pytest.fixture
def folder(tmp_path: Path, broker: Broker) -> AgentFolder:
    (tmp_path / "agent").mkdir()
    folder = AgentFolder(tmp_path / "agent", broker.port)
    folder.write_parts([False, True])
    return folder


@pytest.fixture
def store(folder: AgentFolder) -> EngineStore:
    """Two engines with plans, the first one current, and one whose plan is of another TensorRT."""
    store = EngineStore(folder.folder / "engines")
    plan = make_plan(write_difference_model(folder.folder / "m.onnx", height=HEIGHT, width=WIDTH).read_bytes())
    for name, tensorrt in (("first", "10.3.0"), ("second", "10.3.0"), ("old", "8.6.1")):
        with store.staged(name) as artifact:
            artifact.rmdir()
            write_compiled(artifact, plan, height=HEIGHT, width=WIDTH, tensorrt=tensorrt)
    store.activate("first")
    return store


def test_parts_are_judged_on_the_gpu_and_engines_change_there(
    broker: Broker, folder: AgentFolder, store: EngineStore
) -> None:
    config = folder.write_config(engine={"model": None, "store": "engines", "backend": "tensorrt"})
    with Listener(broker.port) as listener, AgentProcess(config, PROGRAM) as agent:
        listener.wait(lambda: listener.on("/status"), 60)
        in_turn(listener, ["1", "2"], 60)
        store.activate("second")
        in_turn(listener, ["3", "4"], 60)
        results = listener.json_on("/result")
        assert [result["verdict"] for result in results] == ["OK", "NG", "OK", "NG"]
        assert {result["engine"]["backend"] for result in results} == {"tensorrt"}
        assert agent.log.count("engine-loaded") == 2
        store.activate("old")
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "degraded", 60)
        why = listener.json_on("/status")[-1]["why"]
        assert 'the new engine "old" is not taken, the one before goes on' in why
        assert "TensorRT was 8.6.1, but here it is 10.3.0" in why
        in_turn(listener, ["5"], 60)
        assert listener.json_on("/result")[-1]["engine"]["backend"] == "tensorrt"
        assert agent.stop() == 0


@pytest.mark.parametrize(
    ("failure", "errors"),
    [
        ("cuEventSynchronize 20 719", 1),  # the device is lost: it cannot be loaded again
        ("cuMemHostAlloc 1 2", 0),  # no memory from the start
    ],
)
def test_when_the_gpu_fails_the_cpu_takes_over_and_status_is_degraded(
    broker: Broker,
    folder: AgentFolder,
    store: EngineStore,
    monkeypatch: pytest.MonkeyPatch,
    failure: str,
    errors: int,
) -> None:
    monkeypatch.setenv("FAKE_CUDA_FAIL", failure)
    config = folder.write_config(engine={"model": None, "store": "engines"})
    with Listener(broker.port) as listener, AgentProcess(config, PROGRAM) as agent:
        listener.wait(lambda: listener.on("/status"), 60)
        parts = [str(number) for number in range(20)] if errors else ["0", "1"]
        for part in parts:
            in_turn(listener, [part], 60)
            if listener.json_on("/result")[-1]["engine"]["backend"] == "onnxruntime":
                break
        in_turn(listener, ["a", "b"], 60)
        results = listener.json_on("/result")
        assert [result["verdict"] for result in results].count("ERROR") == errors
        for result in results:
            if result["verdict"] == "ERROR":
                assert result["reasons"][0]["code"] == "engine"
                assert "CUDA failed" in result["reasons"][0]["text"]
        assert {results[-1]["verdict"], results[-2]["verdict"]} == {"OK", "NG"}
        assert results[-1]["engine"]["backend"] == "onnxruntime"
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "degraded", 60)
        assert "ONNX Runtime on the CPU instead of TensorRT" in listener.json_on("/status")[-1]["why"]
        assert agent.stop() == 0
