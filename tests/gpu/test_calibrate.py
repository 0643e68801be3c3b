"""`calibrate` where there is a GPU: the engine is compiled, judged as a plan, activated, and taken by the agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from calibration.cli.main import main
from calibration.place import Place
from edge_agent.config import load
from edge_agent.engines.manifest import Manifest
from tests.support.agent import AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.calibration import fill
from tests.support.convolutions import write_convolution_model
from tests.support.gpu.fake_cuda import FakeCuda
from tests.support.listener import Listener

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="NOT RUN: plans are loaded of root alone")
PROGRAM = ("tests.support.gpu.process", "edge-agent")
CALIBRATE = [sys.executable, "-m", "tests.support.gpu.process", "calibrate"]
KILLS, SEED = 3, 3


@pytest.fixture
def config(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An agent whose calibration set is full, and whose engine store is empty."""
    monkeypatch.setattr("calibration.priority.NICENESS", 0)  # commands run in the process of the tests
    (tmp_path / "agent").mkdir()
    folder = AgentFolder(tmp_path / "agent", broker.port)
    folder.write_parts([False, True])
    model = write_convolution_model(folder.folder / "convolutions.onnx").name
    config = folder.write_config(engine={"model": model, "threads": 1, "store": "engines", "backend": "tensorrt"})
    fill(Place.of(load(config)))
    return config


def place_of(config: Path) -> Place:
    return Place.of(load(config))


def test_from_pictures_to_an_int8_plan_that_the_running_agent_takes(
    cuda: FakeCuda, broker: Broker, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_of(config)
    assert main(["fp16", str(config)]) == 0
    assert main(["activate", str(config)]) == 0
    first = place.store.current()
    assert first
    assert Manifest.read(first).precision == "fp16"
    with Listener(broker.port) as listener, AgentProcess(config, PROGRAM) as agent:
        listener.wait(lambda: listener.on("/status"), 60)
        in_turn(listener, ["1", "2"], 60)
        capsys.readouterr()
        assert main(["run", str(config), "--pairs", "80"]) == 0
        said = capsys.readouterr().out
        assert "compiled by TensorRT 10.3.0" in said
        assert "gate       passed: agrees with FP32" in said
        new = place.store.current()
        assert new
        assert new != first
        manifest = Manifest.read(new)
        manifest.check_files(new)
        assert (manifest.precision, manifest.tensorrt, manifest.device) == ("int8+fp16", "10.3.0", "Orin (fake)")
        assert manifest.gate
        assert manifest.gate.passed
        assert manifest.calibration
        layers = json.loads((new / "layers.json").read_text())
        assert layers
        agent.wait_for_log("precision=int8+fp16", 60)
        in_turn(listener, ["3", "4"], 60)
        results = listener.json_on("/result")
        assert [result["verdict"] for result in results] == ["OK", "NG", "OK", "NG"]
        assert [result["engine"]["precision"] for result in results] == ["fp16", "fp16", "int8+fp16", "int8+fp16"]
        assert {result["engine"]["backend"] for result in results} == {"tensorrt"}
        assert main(["rollback", str(config)]) == 0
        assert place.store.current() == first
        agent.wait_for_log("engine-loaded", 60)
        assert agent.stop() == 0


def test_the_gate_judges_the_plan_not_the_model_it_was_compiled_of(
    cuda: FakeCuda, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", "blind")  # the compiler makes a mistake
    assert main(["int8", str(config)]) == 1
    said = capsys.readouterr().out
    assert "NOT PASSED" in said
    assert "differs from FP32 on" in said
    assert f"calibrate fp16 {config}" in said
    assert main(["activate", str(config)]) == 2
    assert place_of(config).store.current() is None


def test_what_cannot_be_compiled_leaves_the_store_as_it_was_and_the_model_for_the_next_call(
    cuda: FakeCuda, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", "build")
    assert main(["int8", str(config)]) == 2
    assert "Could not find any implementation for node Conv_3" in capsys.readouterr().err
    assert place_of(config).store.names() == []
    monkeypatch.delenv("FAKE_TENSORRT")
    assert main(["int8", str(config)]) == 0
    assert "int8 model is there from an earlier call" in capsys.readouterr().out


def test_killed_at_random_moments_of_the_compiling_the_next_call_goes_on(
    cuda: FakeCuda, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fp16", str(config)]) == 0
    assert main(["activate", str(config)]) == 0
    place = place_of(config)
    old = place.store.current()
    assert old
    rng = np.random.default_rng(SEED)
    for _ in range(KILLS):
        environment = os.environ | {"FAKE_TENSORRT": "slow", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([*CALIBRATE, "int8", config], env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        left = set(place.store.folder.glob(".staged-int8-*"))  # of the one killed before; swept away by this one
        while not set(place.store.folder.glob(".staged-int8-*")) - left:
            assert process.poll() is None, "it ended before it compiled"
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 2.0))  # of the half a minute that it would take
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        assert process.returncode == -signal.SIGKILL
        assert place.store.current() == old
        Manifest.read(old).check_files(old)
        assert place.store.names() == [old.name]
    capsys.readouterr()
    assert main(["int8", str(config)]) == 0
    assert "int8 model is there from an earlier call" in capsys.readouterr().out
    assert not list(place.store.folder.glob(".staged-*"))
