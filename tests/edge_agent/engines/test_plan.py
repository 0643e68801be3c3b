"""A plan is native code: what is not surely ours, for this device, is not loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.engines import load_engine
from edge_agent.engines.manifest import MANIFEST, MODEL, PLAN
from edge_agent.engines.plan import DeviceInfo, read_artifact, read_plan
from edge_agent.errors import EngineError, ModelError, PlanError
from tests.support.compiled import write_compiled

ORIN = DeviceInfo("Orin (fake)", "8.7", "12.6", "540.4.0")
CONTENT = b"a plan"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_compiled(tmp_path / "engine", CONTENT)


def read(folder: Path, device: DeviceInfo = ORIN, tensorrt: str = "10.3.0") -> bytes:
    return read_plan(read_artifact(folder), device, tensorrt, owner=os.getuid())


def test_a_plan_of_this_device_is_read(folder: Path) -> None:
    assert read(folder) == CONTENT


@pytest.mark.parametrize(
    ("device", "tensorrt", "reason"),
    [
        (ORIN, "10.13.3.9", "where TensorRT was 10.3.0, but here it is 10.13.3.9"),
        (DeviceInfo("Thor", "8.7", "13.0", None), "10.3.0", r"where the device was Orin \(fake\), but here it is Thor"),
        (DeviceInfo("Orin (fake)", "8.6", "12.6", None), "10.3.0", "compute capability was 8.7, but here it is 8.6"),
    ],
)
def test_a_plan_of_another_device_or_tensorrt_is_refused(
    folder: Path, device: DeviceInfo, tensorrt: str, reason: str
) -> None:
    with pytest.raises(PlanError, match=reason) as caught:
        read(folder, device, tensorrt)
    assert f"build-engine compile {folder / MODEL}" in caught.value.mend


def test_a_plan_that_was_changed_is_refused(folder: Path) -> None:
    (folder / PLAN).write_bytes(b"A plan")
    with pytest.raises(PlanError, match="not the file that the manifest was written for"):
        read(folder)


def test_an_artifact_without_a_plan_has_none_to_load(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no compiled plan"):
        read(write_compiled(tmp_path / "engine"))


@pytest.mark.parametrize("place", [PLAN, MANIFEST, ""])
def test_what_others_may_write_is_not_trusted(folder: Path, place: str) -> None:
    (folder / place).chmod((folder / place).stat().st_mode | 0o002)
    with pytest.raises(PlanError, match="not to be trusted: others may write"):
        read(folder)


def test_a_folder_above_that_others_may_write_is_not_trusted(folder: Path) -> None:
    folder.parent.chmod(0o777)
    with pytest.raises(PlanError, match="not to be trusted: others may write"):
        read(folder)
    folder.parent.chmod(0o1777)  # the sticky bit, as of /tmp: nobody can rename what is another's
    assert read(folder) == CONTENT


def test_what_belongs_to_another_user_is_not_trusted(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("NOT RUN: only root can give a file away")
    os.chown(folder / PLAN, 12345, 0)
    with pytest.raises(PlanError, match=r"belongs to user 12345, not to root"):
        read(folder)


def test_a_model_that_was_changed_is_refused_whatever_runs_it(folder: Path) -> None:
    (folder / MODEL).write_bytes(b"another")
    with pytest.raises(ModelError, match="not the file that the manifest was written for"):
        load_engine(folder, "onnxruntime")


def test_an_artifact_runs_on_onnx_runtime_too(folder: Path) -> None:
    engine = load_engine(folder, "onnxruntime")
    assert (engine.backend, engine.degraded) == ("onnxruntime", "")


def test_a_link_to_an_artifact_is_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder.name)
    assert read_artifact(tmp_path / "current").folder == folder.resolve()


@pytest.mark.parametrize("make", [lambda folder: folder, lambda folder: folder / MODEL])
def test_tensorrt_that_cannot_be_is_an_error_and_auto_falls_back(
    folder: Path, make: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # as on a machine without it
    monkeypatch.delitem(sys.modules, "edge_agent.engines.tensorrt", raising=False)
    monkeypatch.delitem(sys.modules, "edge_agent.engines.tensorrt_log", raising=False)
    with pytest.raises(EngineError, match="TensorRT") as caught:
        load_engine(make(folder), "tensorrt")
    assert caught.value.mend
    engine = load_engine(make(folder), "auto")
    assert engine.backend == "onnxruntime"
    assert bool(engine.degraded) == make(folder).is_dir()
