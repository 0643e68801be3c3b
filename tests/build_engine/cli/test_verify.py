"""build-engine verify: exit code 0 only if the engine says of every pair what FP32 says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from build_engine.cli.main import main
from tests.support.agent import picture
from tests.support.compiled import write_compiled
from tests.support.models import write_difference_model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "template.png"), picture(99))
    cv2.imwrite(str(tmp_path / "clean.png"), picture(1))
    cv2.imwrite(str(tmp_path / "sliver.png"), picture(2, sliver=True))
    (tmp_path / "pairs.csv").write_text("test,template\nclean.png,template.png\nsliver.png,template.png\n")
    write_difference_model(tmp_path / "fp32.onnx", height=256, width=320)
    return tmp_path


def verify(data: Path, engine: Path, *more: str) -> int:
    arguments = ["verify", str(engine), "--pairs", str(data / "pairs.csv"), "--model", str(data / "fp32.onnx")]
    return main([*arguments, *more])


def engine_of(data: Path, **changes: float) -> Path:
    path = data / "engine.onnx"
    return write_difference_model(path, height=256, width=320, metadata={"precision": "int8"}, **changes)  # type: ignore[arg-type]


def test_an_engine_that_says_the_same_agrees(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(data, engine_of(data, gain=5.001)) == 0
    out = capsys.readouterr().out
    assert "difference 1, int8, on ONNX Runtime" in out
    assert "2 compared (1 NG under FP32), 2 agree" in out
    assert out.splitlines()[-1] == "the engine agrees with FP32"


def test_an_engine_that_sees_less_does_not(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(data, engine_of(data, gain=0.5)) == 1
    out = capsys.readouterr().out
    (differs,) = (line for line in out.splitlines() if line.startswith("differs"))
    assert "sliver" in differs
    assert "verdict OK, FP32 says NG" in differs
    assert out.splitlines()[-1] == "the engine does NOT agree with FP32"


def test_an_engine_that_sees_more_does_not(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(data, engine_of(data, gain=60.0, offset=0.0), "--json") == 1
    figures = json.loads(capsys.readouterr().out)
    assert (figures["agrees"], figures["compared"], figures["agree"]) == (False, 2, 0)
    assert figures["score_gap_max"] > 0.5
    assert figures["pixels_changed"] > 1000
    assert figures["each"][0]["agreement"]["differences"]


def test_pairs_that_cannot_be_compared_prove_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(data / "dark.png"), picture(1) // 50)
    (data / "pairs.csv").write_text("test,template\ndark.png,template.png\n")
    assert verify(data, data / "fp32.onnx") == 1
    out = capsys.readouterr().out
    assert "not compared dark" in out
    assert out.splitlines()[-1] == "no pair could be compared"


def test_a_model_of_another_network_is_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_difference_model(data / "other.onnx", height=256, width=320, metadata={"version": "2"})
    assert verify(data, other) == 2
    assert "the engine is of difference 2, the FP32 model is difference 1" in capsys.readouterr().err


def test_a_plan_that_cannot_run_here_is_not_compared_on_the_cpu(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_compiled(data / "engine", b"a plan", height=256, width=320)
    assert verify(data, folder) == 2
    assert "TensorRT" in capsys.readouterr().err
    assert verify(data, folder, "--backend", "onnxruntime") == 0
