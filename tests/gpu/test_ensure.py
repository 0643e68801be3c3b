"""`build-engine ensure` at a boot: the engine fits, or is made to fit, or the old one stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from build_engine.cli.main import main
from build_engine.compilation.trial import KEPT, keep_tiles
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
    name = of_jetpack_5(store)
    assert ensured(store) == 0
    assert f"{name}: compiling anew, TensorRT was 8.6.2, is now 10.3.0" in capsys.readouterr().out
    manifest = Manifest.read(current(store))
    assert (manifest.tensorrt, manifest.batch, manifest.builder["level"]) == ("10.3.0", (1, 2, 3), 4)
    assert (current(store) / MODEL).read_bytes() == Path(model).read_bytes()


def of_jetpack_5(store: EngineStore, *changes: tuple[str, object]) -> str:
    """Make the one engine of the store a current one that was compiled by an older TensorRT."""
    name = "of-jetpack-5"
    (store.folder / store.names()[0]).rename(store.folder / name)
    path = store.folder / name / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tensorrt": "8.6.2"} | dict(changes)))
    store.activate(name)
    return name


def test_what_the_gate_said_holds_for_a_new_plan_that_sees_the_same_on_the_tiles_of_the_line(
    cuda: FakeCuda, store: EngineStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", str(tmp_path / "m.onnx"), "--store", str(store.folder)]) == 0
    gate = {"passed": True, "text": "agrees with FP32 on 20 of 20 pairs", "figures": {"pairs": 20}}
    folder = store.folder / of_jetpack_5(store, ("gate", gate))
    tiles = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)
    keep_tiles(folder, tiles, np.roll(tiles, 1, axis=0))
    assert ensured(store) == 0
    shown = "sees what its model sees on 6 simulated parts and 3 tiles of the line"
    assert f"{shown}; it is the current engine" in capsys.readouterr().out
    manifest = Manifest.read(current(store))
    assert manifest.gate
    assert manifest.gate.passed
    assert manifest.gate.text == f"agrees with FP32 on 20 of 20 pairs; compiled anew by TensorRT 10.3.0, {shown}"
    assert (current(store) / KEPT).read_bytes() == (folder / KEPT).read_bytes()


def test_a_gate_that_was_never_passed_is_not_passed_by_compiling_anew(
    cuda: FakeCuda, store: EngineStore, tmp_path: Path
) -> None:
    assert main(["compile", str(tmp_path / "m.onnx"), "--store", str(store.folder)]) == 0
    of_jetpack_5(store)
    assert ensured(store) == 0
    assert Manifest.read(current(store)).gate is None


def test_a_plan_that_sees_otherwise_than_its_model_does_not_become_the_current_one(
    cuda: FakeCuda,
    store: EngineStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["compile", str(tmp_path / "m.onnx"), "--store", str(store.folder)]) == 0
    before = of_jetpack_5(store)
    monkeypatch.setenv("FAKE_TENSORRT", "blind")
    for _ in range(2):  # the second time the plan is there already
        assert ensured(store) == 2
        assert "the plan sees otherwise than its model on simulated parts" in capsys.readouterr().err
        assert current(store).name == before


def test_the_first_engine_is_made_of_the_model_that_agent_toml_names(
    cuda: FakeCuda, store: EngineStore, tmp_path: Path
) -> None:
    own = write_difference_model(tmp_path / "own.onnx", height=24, width=32, gain=6.0)
    config = tmp_path / "agent.toml"
    assert main(["ensure", "--store", str(store.folder), "--config", str(config)]) == 0  # not there yet
    config.write_text(
        '[camera]\nkind = "simulated"\n[recipe]\nfolder = "r"\n[mqtt]\ntopic_base = "a"\nhost = "b"\n'
        '[engine]\nmodel = "own.onnx"\n'
    )
    other = tmp_path / "other-engines"
    assert main(["ensure", "--store", str(other), "--config", str(config)]) == 0
    assert (current(EngineStore(other)) / MODEL).read_bytes() == own.read_bytes()


def test_a_current_engine_whose_model_is_damaged_is_not_compiled(
    cuda: FakeCuda, store: EngineStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ensured(store) == 0
    write_difference_model(current(store) / MODEL, height=24, width=32, gain=1.0)
    assert ensured(store) == 0
    assert "its model is damaged" in capsys.readouterr().out
    assert (current(store) / MODEL).read_bytes() == (tmp_path / "m.onnx").read_bytes()
