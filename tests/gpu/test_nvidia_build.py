"""What we ask of TensorRT's builder is what NVIDIA's own compiler takes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest

from edge_agent.engines.artifact import shipped_model
from tests.support.models import write_difference_model


def build(model: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    if not find_spec("tensorrt_rtx"):
        pytest.skip("NOT RUN: NVIDIA's compiler is not installed; make test-gpu says why")
    command = [sys.executable, "-m", "tests.support.gpu.nvidia_build", model, folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_it_builds_the_shipped_model_and_tells_its_progress(tmp_path: Path) -> None:
    done = build(shipped_model(), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plan.engine").stat().st_size > shipped_model().stat().st_size / 2
    assert (tmp_path / "timing-cache").stat().st_size
    shares = [float(line) for line in done.stdout.splitlines()]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert len(set(shares)) > 10


def test_it_builds_again_from_the_timing_cache(tmp_path: Path) -> None:
    model = write_difference_model(tmp_path / "m.onnx", height=24, width=32)
    for _ in range(2):
        done = build(model, tmp_path)
        assert done.returncode == 0, done.stderr


def test_a_graph_that_it_cannot_read_is_refused_by_the_name_of_its_node(tmp_path: Path) -> None:
    path = write_difference_model(tmp_path / "m.onnx", height=24, width=32)
    model = onnx.load(path)
    model.graph.node[3].op_type = "Det"
    model.graph.node[3].name = "the-odd-one"
    onnx.save(model, path)
    done = build(path, tmp_path)
    assert done.returncode
    assert "TensorRT cannot read the model (the-odd-one: " in done.stderr
