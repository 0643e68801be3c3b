"""Small graphs with one convolution, quantised rightly or wrongly in one way each."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIDE = 16, 16
NODE = "convolution"


def convolution(
    *,
    operator: str = "Conv",
    activation_zero: int | None = 0,
    activation_type: type = np.int8,
    activation_scale: float | list[float] = 0.05,
    activation_float: bool = False,
    constant_scale: bool = True,
    weight_zero: int = 0,
    weight_axis: int | None = None,
    weight_float: bool = False,
    bias: str = "float",
    half: bool = False,
) -> onnx.ModelProto:
    """A graph x -> Q -> DQ -> convolution -> y whose node is called NODE; the defaults are right.

    Args:
        operator: "Conv", or "ConvTranspose".
        activation_zero: zero-point of the activation; None leaves it out.
        activation_type: of that zero-point.
        activation_scale: a list is one a channel.
        activation_float: no Q/DQ there.
        constant_scale: else the scale of the activation is an input of the graph.
        weight_zero: zero-point of the weights.
        weight_axis: axis of their scales; None is the right one.
        weight_float: no Q/DQ there.
        bias: "float", "int32" behind a DequantizeLinear, or "none".
        half: all that is float is half, and the opset 19.
    """
    real = np.float16 if half else np.float32
    rng = np.random.default_rng(0)
    shape = (CHANNELS, CHANNELS, 3, 3)
    axis = (0 if operator == "Conv" else 1) if weight_axis is None else weight_axis
    constants = {
        "weight_q": rng.integers(-127, 128, shape).astype(np.int8),
        "weight_scale": np.full(CHANNELS, 0.01, real),
        "weight_zero": np.full(CHANNELS, weight_zero, np.int8),
    }
    inputs = [("x", [1, CHANNELS, SIDE, SIDE])]
    nodes: list[onnx.NodeProto] = []
    activation, weight = "x", "weight_q"
    if not activation_float:
        points = ["scale"] if activation_zero is None else ["scale", "zero"]
        if constant_scale:
            constants["scale"] = np.array(activation_scale, real)
        else:
            inputs.append(("scale", []))
        if activation_zero is not None:
            constants["zero"] = np.full(np.shape(activation_scale), activation_zero, activation_type)
        by_channel = {"axis": 1} if isinstance(activation_scale, list) else {}
        nodes += [
            helper.make_node("QuantizeLinear", ["x", *points], ["x_q"], name="quantize", **by_channel),
            helper.make_node("DequantizeLinear", ["x_q", *points], ["x_d"], name="dequantize", **by_channel),
        ]
        activation = "x_d"
    if weight_float:
        constants["weight_q"] = (constants["weight_q"] * 0.01).astype(real)
    else:
        points = ["weight_q", "weight_scale", "weight_zero"]
        nodes.append(helper.make_node("DequantizeLinear", points, ["weight_d"], name="weight_dq", axis=axis))
        weight = "weight_d"
    operands = [activation, weight]
    if bias == "float":
        constants["bias"] = np.zeros(CHANNELS, real)
        operands.append("bias")
    elif bias == "int32":
        constants |= {
            "bias_q": np.zeros(CHANNELS, np.int32),
            "bias_scale": np.full(CHANNELS, 0.0005, real),
            "bias_zero": np.zeros(CHANNELS, np.int32),
        }
        nodes.append(
            helper.make_node(
                "DequantizeLinear", ["bias_q", "bias_scale", "bias_zero"], ["bias"], name="bias_dq", axis=0
            )
        )
        operands.append("bias")
    nodes.append(helper.make_node(operator, operands, ["y"], name=NODE, pads=[1, 1, 1, 1]))
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return graph(nodes, tensors, inputs, half)


def graph(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    inputs: list[tuple[str, list[int]]],
    half: bool = False,
) -> onnx.ModelProto:
    """A model of these parts, whose output is y."""
    real = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    made = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info(name, real, shape) for name, shape in inputs],
        [helper.make_tensor_value_info("y", real, [1, CHANNELS, SIDE, SIDE])],
        constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 19 if half else 18)], ir_version=9)


def named(values: NDArray[np.generic], name: str) -> onnx.TensorProto:
    """A constant of that name."""
    return numpy_helper.from_array(values, name)
