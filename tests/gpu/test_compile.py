"""`build-engine compile` puts a whole engine into the store, or leaves the store as it was and says why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from build_engine.cli.main import main
from edge_agent.engines import load_engine
from edge_agent.engines.manifest import MODEL, PLAN, Manifest
from edge_agent.engines.store import EngineStore
from tests.support.gpu.fake_cuda import FakeCuda
from tests.support.models import write_difference_model

RUN = [sys.executable, "-m", "tests.support.gpu.process", "build-engine"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_difference_model(tmp_path / "m.onnx", height=24, width=32, metadata={"precision": "fp16"})


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def compiled(model: Path, store: EngineStore, *options: str) -> int:
    return main(["compile", str(model), "--store", str(store.folder), *options])


def test_a_model_becomes_an_engine_that_runs(
    cuda: FakeCuda, model: Path, store: EngineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiled(model, store) == 0
    (name,) = store.names()
    folder = store.folder / name
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    assert name.startswith("difference-1-fp16-")
    assert (manifest.tensorrt, manifest.device, manifest.compute_capability) == ("10.3.0", "Orin (fake)", "8.7")
    assert (manifest.precision, manifest.batch, manifest.gate) == ("fp16", (1, 4, 8), None)
    assert manifest.builder == {"workspace_mb": 1024, "level": 3, "dla_core": None}
    assert (folder / MODEL).read_bytes() == model.read_bytes()
    assert json.loads((folder / "layers.json").read_text())[0]["precision"] == "fp32"
    out = capsys.readouterr().out
    assert "compiling difference 1, fp16, for Orin (fake) (compute capability 8.7) with TensorRT 10.3.0" in out
    assert "100 % (Building engine)" in out
    assert cuda.count("allocations") == 0
    if os.getuid() == 0:
        engine = load_engine(folder, "tensorrt")
        assert engine.info.precision == "fp16"
        engine.close()


def test_the_same_engine_is_not_compiled_twice(
    cuda: FakeCuda, model: Path, store: EngineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiled(model, store) == 0
    before = (store.folder / store.names()[0] / PLAN).stat().st_mtime_ns
    assert compiled(model, store) == 0
    assert "is there already" in capsys.readouterr().out
    assert (store.folder / store.names()[0] / PLAN).stat().st_mtime_ns == before


@pytest.mark.parametrize("options", [["--batch", "1", "2", "4"], ["--workspace-mb", "256"], ["--level", "5"]])
def test_other_options_are_another_engine(
    cuda: FakeCuda, model: Path, store: EngineStore, capsys: pytest.CaptureFixture[str], options: Sequence[str]
) -> None:
    assert compiled(model, store) == 0
    assert compiled(model, store, *options) == 0
    assert len(store.names()) == 2
    assert "compiling anew: difference-1-fp16-" in capsys.readouterr().out


def test_another_tensorrt_compiles_anew_and_says_why(
    cuda: FakeCuda,
    model: Path,
    store: EngineStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert compiled(model, store) == 0
    monkeypatch.setattr(sys.modules["tensorrt"], "__version__", "10.13.3.9")
    engine = load_engine(store.folder / store.names()[0])
    assert engine.backend == "onnxruntime"
    assert "where TensorRT was 10.3.0, but here it is 10.13.3.9" in engine.degraded
    assert f"sudo build-engine compile {store.folder / store.names()[0] / MODEL}" in engine.degraded
    # what the agent says is to be done, word by word
    assert main(["compile", str(store.folder / store.names()[0] / MODEL)]) == 0
    assert "TensorRT was 10.3.0, is now 10.13.3.9" in capsys.readouterr().out
    assert len(store.names()) == 2


def test_a_damaged_engine_is_compiled_anew_beside_it(cuda: FakeCuda, model: Path, store: EngineStore) -> None:
    assert compiled(model, store) == 0
    (name,) = store.names()
    (store.folder / name / PLAN).write_bytes(b"damaged")
    assert compiled(model, store) == 0
    assert store.names() == [name, f"{name}-2"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("build", "cannot build the plan (Error Code 10: Could not find any implementation for node Conv_3)"),
        ("parse", "cannot read the model (node_7: Assertion failed: unsupported by the test)"),
    ],
)
def test_what_tensorrt_refuses_leaves_the_store_as_it_was(
    cuda: FakeCuda,
    model: Path,
    store: EngineStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    reason: str,
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", wrong)
    assert compiled(model, store) == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert store.names() == []
    assert not list(store.folder.glob(".staged-*"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--dla", "0"], "has no DLA core 0, it has none that TensorRT can use; leave out --dla"),
        (["--workspace-mb", "100000000"], "MB of memory"),
        (["--batch", "4", "2", "8"], "must rise"),
    ],
)
def test_what_this_device_cannot_do_is_refused_before_anything_is_built(
    cuda: FakeCuda,
    model: Path,
    store: EngineStore,
    capsys: pytest.CaptureFixture[str],
    options: Sequence[str],
    reason: str,
) -> None:
    assert compiled(model, store, *options) == 2
    assert reason in capsys.readouterr().err
    assert store.names() == []


def test_a_graph_that_tensorrt_would_read_wrongly_is_refused_by_our_lint(
    cuda: FakeCuda, model: Path, store: EngineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = onnx.load(model)
    half = onnx.numpy_helper.from_array(np.float32(0.5), "q_scale")
    zero = onnx.numpy_helper.from_array(np.uint8(0), "q_zero")  # taken, and silently read as int8
    graph.graph.initializer.extend([half, zero])
    make = onnx.helper.make_node
    place = next(number for number, node in enumerate(graph.graph.node) if node.op_type == "AveragePool")
    pool = graph.graph.node[place]
    for node in (
        make("DequantizeLinear", ["q", "q_scale", "q_zero"], ["dq"], name="the-dq"),
        make("QuantizeLinear", [pool.input[0], "q_scale", "q_zero"], ["q"], name="the-q"),
    ):
        graph.graph.node.insert(place, node)
    pool.input[0] = "dq"
    onnx.save(graph, model)
    assert compiled(model, store) == 2
    assert "the-q: " in capsys.readouterr().err
    assert store.names() == []


def test_a_dla_gets_one_size_of_batch(
    cuda: FakeCuda, model: Path, store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["tensorrt"].Builder, "num_DLA_cores", 2)
    assert compiled(model, store, "--dla", "1") == 0
    manifest = Manifest.read(store.folder / store.names()[0])
    assert (manifest.batch, manifest.builder["dla_core"]) == ((4, 4, 4), 1)


def test_a_timing_cache_of_another_device_is_written_anew(cuda: FakeCuda, model: Path, store: EngineStore) -> None:
    store.folder.mkdir()
    (store.folder / ".timing-cache").write_bytes(b"of another device")
    assert compiled(model, store) == 0
    assert (store.folder / ".timing-cache").read_bytes() == b"timed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_build_that_is_ended_leaves_a_store_that_the_next_one_fills(
    cuda: FakeCuda, model: Path, store: EngineStore, number: signal.Signals, code: int
) -> None:
    command = [*RUN, "compile", str(model), "--store", str(store.folder)]
    with subprocess.Popen(
        command,
        env=os.environ | {"FAKE_TENSORRT": "slow"},
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has told all that they start to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread of ours holds a lock
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if "10 %" in line:
                break
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == code
        assert time.monotonic() - began < 20
    assert store.names() == []
    assert compiled(model, store) == 0
    assert len(store.names()) == 1
    assert not list(store.folder.glob(".staged-*"))
