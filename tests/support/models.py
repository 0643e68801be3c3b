"""Tiny ONNX models that keep (or break) the contract, so that tests are quick and need no trained weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA = {"network": "difference", "version": "1", "kind": "pair", "threshold": "0.5", "weights_sha256": "0" * 64}


def write_difference_model(
    path: Path,
    *,
    height: int = 480,
    width: int = 640,
    gain: float = 5.0,
    offset: float = 0.5,
    blur: int = 3,
    metadata: dict[str, str] | None = None,
    dtype: int = TensorProto.UINT8,
    output: str = "score",
) -> Path:
    """A model whose score is clip(gain · blurred |test − template| / 255 − offset, 0, 1).

    The difference is the largest of the three channels, blurred by a box of `blur` pixels (odd). With the defaults a
    grey difference of 51 scores 0.5, the threshold. Entries of `metadata` replace
    the defaults; an empty value removes one.
    """
    constants = {"axis": np.array([3], np.int64), "gain": np.float32(gain / 255), "offset": np.float32(offset)}
    constants |= {"low": np.float32(0), "high": np.float32(1), "channel": np.array([1], np.int64)}
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["test"], ["test_f"], to=TensorProto.FLOAT),
            node("Cast", ["template"], ["template_f"], to=TensorProto.FLOAT),
            node("Sub", ["test_f", "template_f"], ["signed"]),
            node("Abs", ["signed"], ["difference"]),
            node("ReduceMax", ["difference", "axis"], ["largest"], keepdims=1),
            node("Transpose", ["largest"], ["nchw"], perm=[0, 3, 1, 2]),
            node("AveragePool", ["nchw"], ["blurred"], kernel_shape=[blur, blur], pads=[blur // 2] * 4),
            node("Mul", ["blurred", "gain"], ["gained"]),
            node("Sub", ["gained", "offset"], ["shifted"]),
            node("Clip", ["shifted", "low", "high"], ["clipped"]),
            node("Squeeze", ["clipped", "channel"], [output]),
        ],
        "difference",
        [helper.make_tensor_value_info(name, dtype, ["N", height, width, 3]) for name in ("test", "template")],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", height, width])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entries = METADATA | (metadata or {})
    helper.set_model_props(model, {key: value for key, value in entries.items() if value})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def write_bright_model(path: Path, *, size: int = 32, view: str = "whole") -> Path:
    """A model of kind "single" whose score is the brightest of a pixel's three channels, divided by 255."""
    constants = {"axis": np.array([3], np.int64), "scale": np.float32(1 / 255)}
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["test"], ["float"], to=TensorProto.FLOAT),
            node("ReduceMax", ["float", "axis"], ["largest"], keepdims=0),
            node("Mul", ["largest", "scale"], ["score"]),
        ],
        "bright",
        [helper.make_tensor_value_info("test", TensorProto.UINT8, ["N", size, size, 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", size, size])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, METADATA | {"network": "bright", "kind": "single", "view": view})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def write_dead_channel_model(path: Path, bias: float, *, size: int = 32) -> Path:
    """A model that says `bias` of every pixel: int8 by Q/DQ in half, its only weight nothing."""
    constants = [
        numpy_helper.from_array(np.float16(0.01), "scale"),
        numpy_helper.from_array(np.int8(0), "zero"),
        numpy_helper.from_array(np.array([6e-8], np.float16), "scales"),
        numpy_helper.from_array(np.zeros(1, np.int8), "zeros"),
        numpy_helper.from_array(np.ones((1, 3, 1, 1), np.int8), "weight"),
        numpy_helper.from_array(np.array([bias], np.float16), "bias"),
        numpy_helper.from_array(np.array([1]), "channel"),
    ]
    nodes = [
        helper.make_node("Cast", ["test"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["half"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("QuantizeLinear", ["planes", "scale", "zero"], ["quantised"]),
        helper.make_node("DequantizeLinear", ["quantised", "scale", "zero"], ["seen"]),
        helper.make_node("DequantizeLinear", ["weight", "scales", "zeros"], ["weights"], axis=0),
        helper.make_node("Conv", ["seen", "weights", "bias"], ["map"]),
        helper.make_node("QuantizeLinear", ["map", "scale", "zero"], ["said"]),
        helper.make_node("DequantizeLinear", ["said", "scale", "zero"], ["maps"]),
        helper.make_node("Squeeze", ["maps", "channel"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["score"], to=TensorProto.FLOAT),
    ]
    inputs = [helper.make_tensor_value_info("test", TensorProto.UINT8, ["N", size, size, 3])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", size, size])]
    graph = helper.make_graph(nodes, "dead-channel", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    helper.set_model_props(model, METADATA | {"network": "dead-channel", "kind": "single", "view": "whole"})
    onnx.save(model, path)
    return path
