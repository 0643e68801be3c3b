"""Each thing that the lint refuses, NVIDIA's own compiler refuses or runs otherwise than it stands there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from build_engine.precision.lint import lint
from build_engine.precision.nvidia_compiler import compiled_layers
from edge_agent.errors import EngineError
from tests.build_engine.precision.graphs import CHANNELS, NODE, SIDE, convolution, graph, named
from tests.support.nvidia import needs_nvidia_compiler

REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "zero-point": ({"activation_zero": 3}, "quantize"),
    "zero-point of the weights": ({"weight_zero": 1}, "weight_dq"),
    "uint8 with zero-point": ({"activation_zero": 128, "activation_type": np.uint8}, "quantize"),
    "int16": ({"activation_type": np.int16}, "quantize"),
    "scale 0": ({"activation_scale": 0.0}, "quantize"),
    "negative scale": ({"activation_scale": -0.05}, "quantize"),
    "scale not a number": ({"activation_scale": float("nan")}, "quantize"),
    "bias in int32": ({"bias": "int32"}, "bias_dq"),
}
RUN_IN_FLOAT: dict[str, tuple[dict[str, Any], str]] = {
    "weights along the wrong axis": ({"weight_axis": 1}, NODE),
    "a scale a channel of the input": ({"activation_scale": [0.05] * CHANNELS}, NODE),
    "weights alone": ({"activation_float": True}, NODE),
    "input alone": ({"weight_float": True}, NODE),
    "transposed convolution": ({"operator": "ConvTranspose"}, NODE),
    "transposed convolution, weights alone": ({"operator": "ConvTranspose", "activation_float": True}, NODE),
}
RIGHT: dict[str, dict[str, Any]] = {"float32": {}, "half": {"half": True}, "without a bias": {"bias": "none"}}


def _precision(model: onnx.ModelProto) -> str:
    """In which type NVIDIA's compiler runs the one convolution."""
    (layer,) = (layer for layer in compiled_layers(model) if layer.kind in {"correlation", "deconv"})
    return layer.precision


@pytest.mark.parametrize("case", RIGHT)
def test_a_rightly_quantised_convolution_passes(case: str) -> None:
    assert lint(convolution(**RIGHT[case])) == []


@needs_nvidia_compiler
@pytest.mark.parametrize("case", RIGHT)
def test_and_nvidias_compiler_runs_it_in_int8(case: str) -> None:
    assert _precision(convolution(**RIGHT[case])) == "int8"


@pytest.mark.parametrize("case", [*REJECTED, *RUN_IN_FLOAT])
def test_the_lint_names_the_node_and_says_what_to_do(case: str) -> None:
    arguments, node = (REJECTED | RUN_IN_FLOAT)[case]
    findings = lint(convolution(**arguments))
    assert node in {finding.node for finding in findings}
    for finding in findings:
        assert finding.what
        assert finding.mend
        assert str(finding) == f"{finding.node}: {finding.what}; {finding.mend}"


@needs_nvidia_compiler
@pytest.mark.parametrize("case", REJECTED)
def test_nvidias_compiler_rejects_it_too(case: str) -> None:
    with pytest.raises(EngineError, match="refuses the graph"):
        compiled_layers(convolution(**REJECTED[case][0]))


@needs_nvidia_compiler
@pytest.mark.parametrize("case", RUN_IN_FLOAT)
def test_nvidias_compiler_runs_it_in_float_without_a_word(case: str) -> None:
    assert _precision(convolution(**RUN_IN_FLOAT[case][0])) == "fp32"


@pytest.mark.parametrize("zero", [0, None])
def test_uint8_is_refused_though_its_zero_point_is_0(zero: int | None) -> None:
    model = convolution(activation_zero=zero, activation_type=np.uint8)
    assert {finding.node for finding in lint(model)} == {"quantize", "dequantize"}


@needs_nvidia_compiler
@pytest.mark.parametrize("zero", [0, None])
def test_nvidias_compiler_reads_uint8_as_int8_without_a_word(zero: int | None) -> None:
    assert _precision(convolution(activation_zero=zero, activation_type=np.uint8)) == "int8"


def test_an_endless_scale_is_refused_since_nothing_comes_out_of_it() -> None:
    model = convolution(activation_scale=float("inf"))
    assert "quantize" in {finding.node for finding in lint(model)}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"x": np.ones((1, CHANNELS, SIDE, SIDE), np.float32)})
    assert not np.isfinite(scores).all()


def test_a_scale_that_is_no_constant_is_refused() -> None:
    assert {finding.node for finding in lint(convolution(constant_scale=False))} == {"quantize", "dequantize"}


@needs_nvidia_compiler
def test_nvidias_compiler_dies_of_a_scale_that_is_no_constant(tmp_path: Path) -> None:
    file = tmp_path / "case.onnx"
    onnx.save(convolution(constant_scale=False), file)
    code = "import onnx,sys; from build_engine.precision.nvidia_compiler import compiled_layers; "
    code += "compiled_layers(onnx.load(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, check=False, timeout=120)
    assert done.returncode != 0


def _operators() -> dict[str, onnx.ModelProto]:
    constants = [
        named(np.float32(0.05), "s"),
        named(np.int8(0), "z"),
        named(np.ones((CHANNELS, CHANNELS, 3, 3), np.int8), "w"),
    ]
    quantize = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="quantize")
    back = helper.make_node("DequantizeLinear", ["c", "s", "z"], ["y"], name="dequantize")
    pads = [1, 1, 1, 1]
    operands = ["q", "s", "z", "w", "s", "z", "s", "z"]
    bodies = {
        "QLinearConv": [quantize, helper.make_node("QLinearConv", operands, ["c"], name=NODE, pads=pads), back],
        "ConvInteger": [
            quantize,
            helper.make_node("ConvInteger", ["q", "w"], ["c"], name=NODE, pads=pads),
            helper.make_node("Cast", ["c"], ["y"], to=onnx.TensorProto.FLOAT),
        ],
    }
    return {name: graph(nodes, constants, [("x", [1, CHANNELS, SIDE, SIDE])]) for name, nodes in bodies.items()}


@pytest.mark.parametrize("operator", ["QLinearConv", "ConvInteger"])
def test_integer_operators_are_refused(operator: str) -> None:
    assert [finding.node for finding in lint(_operators()[operator])] == [NODE]


@needs_nvidia_compiler
@pytest.mark.parametrize("operator", ["QLinearConv", "ConvInteger"])
def test_nvidias_compiler_has_no_integer_operators(operator: str) -> None:
    with pytest.raises(EngineError, match="refuses the graph"):
        compiled_layers(_operators()[operator])


def _two_float_types() -> onnx.ModelProto:
    model = convolution(half=True)
    for tensor in model.graph.initializer:
        if tensor.name == "scale":
            tensor.CopyFrom(named(np.float32(0.05), "scale"))
    return model


def test_a_float32_scale_of_half_data_is_refused() -> None:
    assert "quantize" in {finding.node for finding in lint(_two_float_types())}


@needs_nvidia_compiler
def test_nvidias_compiler_rejects_a_float32_scale_of_half_data() -> None:
    with pytest.raises(EngineError, match="refuses the graph"):
        compiled_layers(_two_float_types())


def test_a_relu_between_dequantising_and_convolution_is_refused() -> None:
    assert [finding.node for finding in lint(_with_relu())] == [NODE]


@needs_nvidia_compiler
def test_nvidias_compiler_runs_a_convolution_after_a_relu_in_float() -> None:
    assert _precision(_with_relu()) == "fp32"


def _with_relu() -> onnx.ModelProto:
    model = convolution()
    node = next(node for node in model.graph.node if node.name == NODE)
    node.input[0] = "positive"
    model.graph.node.insert(2, helper.make_node("Relu", ["x_d"], ["positive"], name="relu"))
    return model
