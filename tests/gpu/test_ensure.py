"""`build-engine ensure` at a boot: the engine fits, or is made to fit, or the old one stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from build_engine.cli import ensure
from build_engine.cli.main import main
from edge_agent.engines.manifest import MANIFEST, MODEL, PLAN, Manifest
from edge_agent.engines.store import EngineStore
from tests.support.gpu.fake_cuda import FakeCuda
from tests.support.models import write_difference_model

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="NOT RUN: plans are loaded of root alone")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineStore:
    """A store that is empty, and a small model for the one that is shipped."""
    model = write_difference_model(tmp_path / "m.onnx", height=24, width=32)
    monkeypatch.setattr("edge_agent.engines.artifact.shipped_model", lambda: model)
    # the plan of the fake TensorRT computes something of its own
    monkeypatch.setattr(ensure, "MOST_DIFFERENCE", 1.0)
    return EngineStore(tmp_path / "engines")


def ensured(store: EngineStore) -> int:
    return main(["ensure", "--store", str(store.folder)])


def current(store: EngineStore) -> Path:
    found = store.current()
    assert found is not None
    return found


def test_the_first_boot_builds_the_engine_and_the_second_finds_it(
    cuda: FakeCuda, store: EngineStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ensured(store) == 0
    built = (current(store) / PLAN).stat().st_mtime_ns
    assert "is the current engine" in capsys.readouterr().out
    assert ensured(store) == 0
    assert "fits this device" in capsys.readouterr().out
    assert (current(store) / PLAN).stat().st_mtime_ns == built


def test_an_engine_of_another_tensorrt_is_compiled_anew_with_its_own_options(
    cuda: FakeCuda, store: EngineStore, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = str(tmp_path / "m.onnx")
    assert main(["compile", model, "--store", str(store.folder), "--batch", "1", "2", "3", "--level", "4"]) == 0
    name = "of-jetpack-5"
    (store.folder / store.names()[0]).rename(store.folder / name)
    path = store.folder / name / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tensorrt": "8.6.2"}))
    store.activate(name)
    assert ensured(store) == 0
    assert f"{name}: compiling anew, TensorRT was 8.6.2, is now 10.3.0" in capsys.readouterr().out
    manifest = Manifest.read(current(store))
    assert (manifest.tensorrt, manifest.batch, manifest.builder["level"]) == ("10.3.0", (1, 2, 3), 4)
    assert (current(store) / MODEL).read_bytes() == Path(model).read_bytes()


def test_a_plan_that_sees_otherwise_than_its_model_does_not_become_the_current_one(
    cuda: FakeCuda, store: EngineStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ensure, "MOST_DIFFERENCE", -1.0)
    assert ensured(store) == 2
    assert "the plan sees otherwise than its model" in capsys.readouterr().err
    assert store.current() is None
