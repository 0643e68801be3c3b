"""Q/DQ around convolutions, in the form that TensorRT builds from 10.3 to 11.4; ONNX Runtime's quantiser writes it.

int8 activations and weights, zero-point 0, weights one scale an output channel, bias in float. Only what goes into a
convolution is quantised: its output goes through a norm, a GELU or a resize, which compute in float anyway
(NVIDIA, Working with Quantized Types: "By default, do not quantize the outputs of weighted operations").
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData

from build_engine.precision.graph import CONVOLUTIONS, Convolution, convolutions, in_order, initializer

STEPS = 127


def quantised(model: onnx.ModelProto, limits: Mapping[str, float], names: Collection[str]) -> onnx.ModelProto:
    """A copy of a prepared model with the named convolutions in int8.

    Args:
        model: float32.
        limits: of each tensor that a named convolution reads, the magnitude that 127 steps shall say.
        names: nodes, of type Conv; a transposed convolution runs in float whatever is written around it.
    """
    chosen = [layer for layer in convolutions(model) if layer.name in names]
    scales = {layer.activation: [_step(limits[layer.activation])] for layer in chosen}
    for layer in chosen:
        scales[layer.weight] = _weight_scales(model, layer)
    extremes = {
        name: TensorData(lowest=np.float32(-limit), highest=np.float32(limit)) for name, limit in limits.items()
    }
    quantizer = QDQQuantizer(
        copy.deepcopy(model),
        True,  # a scale for each channel of the weights
        False,  # all eight bits
        QuantType.QInt8,
        QuantType.QInt8,
        TensorsData(CalibrationMethod.MinMax, extremes),
        sorted(names),
        [],
        ["Conv"],
        {
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": ["Conv"],
            "TensorQuantOverrides": scales,
        },
    )
    if chosen:
        quantizer.quantize_model()
    return in_order(_rewired(quantizer.model.model, names))


def _step(limit: float) -> dict[str, NDArray[Any]]:
    """Scale and zero-point of a range, as the quantiser takes them.

    The scale is rounded up to what half can say: INT8 with and without FP16 then hold the same integers.
    """
    step = np.float32(limit / STEPS)
    half = np.float16(max(step, np.finfo(np.float16).smallest_subnormal))
    if np.float32(half) < step:
        half = np.nextafter(half, np.float16(np.inf))
    return {"scale": np.array(half, np.float32), "zero_point": np.array(0, np.int8)}


def _weight_scales(model: onnx.ModelProto, layer: Convolution) -> list[dict[str, Any]]:
    """Of each output channel."""
    tensor = initializer(model, layer.weight)
    assert tensor is not None, "the weights of an exported convolution are constants"
    largest = np.abs(numpy_helper.to_array(tensor)).reshape(tensor.dims[0], -1).max(axis=1)
    return [{"axis": 0, **_step(float(value))} for value in largest]


def _rewired(model: onnx.ModelProto, names: Collection[str]) -> onnx.ModelProto:
    """Take the quantised form of a tensor from those that lose by it; the quantiser gives it to every reader.

    These are convolutions that stay in float, and the branch of an Add that a convolution ends: TensorRT runs
    convolution and addition as one int8 kernel, which that branch never leaves. The other branch of the Add, and what
    is only moved or concatenated, reads a quarter of the bytes.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    originals = {
        node.output[0]: makers[node.input[0]].input[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in makers
    }
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            original = originals.get(name, name)
            in_float = node.op_type in CONVOLUTIONS and node.name not in names
            ends = node.op_type == "Add" and original in makers and makers[original].op_type == "Conv"
            if in_float or ends:
                node.input[place] = original
    return model
