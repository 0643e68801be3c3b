"""Models with the inputs and outputs of anomalib's exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from build_engine.cli.main import main
from edge_agent.engines import load_engine


def write_anomalib_like(
    path: Path,
    *,
    size: tuple[int | str, int | str] = (32, 48),
    batch: int | str = "batch_size",
    rank: int = 4,
    shrink: int = 1,
    output: str = "anomaly_map",
    opset: int = 18,
) -> Path:
    """Its anomaly map is the red channel; beside it pred_score, pred_label and pred_mask, as anomalib names them."""
    node, height, width = helper.make_node, *size
    fixed = isinstance(height, int) and isinstance(width, int)
    small = (height // shrink, width // shrink) if fixed else ("h", "w")  # type: ignore[operator]
    map_shape = [batch, 1, *small] if rank == 4 else [batch, *small]
    graph = helper.make_graph(
        [
            node("Slice", ["input", "zero", "one", "axis"], ["red"]),
            node("AveragePool", ["red"], ["small"], kernel_shape=[shrink, shrink], strides=[shrink, shrink]),
            node("Identity", ["small"], [output]) if rank == 4 else node("Squeeze", ["small", "axis"], [output]),
            node("ReduceMax", ["small"], ["pred_score"], axes=[1, 2, 3], keepdims=0),
            node("Greater", ["pred_score", "half"], ["pred_label"]),
            node("Greater", [output, "half"], ["pred_mask"]),
        ],
        "anomalib",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, height, width])],
        [
            helper.make_tensor_value_info("pred_score", TensorProto.FLOAT, [batch]),
            helper.make_tensor_value_info("pred_label", TensorProto.BOOL, [batch]),
            helper.make_tensor_value_info(output, TensorProto.FLOAT, map_shape),
            helper.make_tensor_value_info("pred_mask", TensorProto.BOOL, map_shape),
        ],
        [
            numpy_helper.from_array(np.array([0], np.int64), "zero"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            numpy_helper.from_array(np.float32(0.5), "half"),
        ],
    )
    if opset >= 18:
        graph.node[3].CopyFrom(node("ReduceMax", ["small", "all"], ["pred_score"], keepdims=0))
        graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3], np.int64), "all"))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize("shrink", [1, 4])
@pytest.mark.parametrize("batch", ["batch_size", 1, 2])
def test_the_agent_runs_it_with_blue_green_red_bytes_and_gets_a_map_of_full_size(
    rank: int, shrink: int, batch: int | str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_anomalib_like(tmp_path / "patchcore.onnx", rank=rank, shrink=shrink, batch=batch)
    assert main(["import", str(source), "--output", str(tmp_path / "model.onnx")]) == 0
    assert "48 × 32 px" in capsys.readouterr().out
    engine = load_engine(tmp_path / "model.onnx")
    info = engine.info
    assert (info.network, info.kind, info.view, info.threshold) == ("patchcore", "single", "whole", 0.5)
    pictures = np.zeros((3, 32, 48, 3), np.uint8)
    pictures[..., 0] = 255  # blue
    pictures[1, :, :, 2] = 51  # red
    scores = engine.infer(pictures, pictures)
    assert scores.shape == (3, 32, 48)
    assert scores[0].max() == 0
    assert scores[1] == pytest.approx(0.2, abs=1e-5)


def test_a_size_left_open_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_anomalib_like(tmp_path / "padim.onnx", size=("height", "width"))
    assert main(["import", str(source), "--output", str(tmp_path / "m.onnx")]) == 2
    assert "give --size H W" in capsys.readouterr().err
    assert main(["import", str(source), "--output", str(tmp_path / "m.onnx"), "--size", "64", "32"]) == 0
    assert load_engine(tmp_path / "m.onnx").info.height == 64


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"output": "heat"}, "has no output anomaly_map"),
        ({"opset": 12, "rank": 4}, "has opset 12"),
    ],
)
def test_other_layouts_are_refused(
    changes: dict, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_anomalib_like(tmp_path / "x.onnx", **changes)
    assert main(["import", str(source), "--output", str(tmp_path / "m.onnx")]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_what_is_no_model_is_refused(content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        (tmp_path / "x.onnx").write_bytes(content)
    assert main(["import", str(tmp_path / "x.onnx"), "--output", str(tmp_path / "m.onnx")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no such file" in error if content is None else "is no ONNX model" in error
