"""FP16: the graph computes in half precision, but for what half cannot hold.

`onnxruntime.transformers.float16` does the conversion: the branch of onnxconverter-common that ONNX Runtime keeps.
The original (1.16) leaves casts and resizes of our graph with wrong types.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from build_engine.precision.graph import convolutions, finish, in_order, prepared
from build_engine.precision.report import Layer, PrecisionReport

# Sums over whole pictures, which overflow in half (65504) where a kernel adds up in the type of its input.
FLOAT32 = ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "ReduceMean", "ReduceSum")
TAIL = {"Sigmoid", "Gather", "Squeeze", "Cast", "Clip", "Identity", "Slice", "Reshape"}


def to_fp16(model: Path, output: Path) -> PrecisionReport:
    """Write the FP16 model: inputs uint8, score float32, everything between in half but for norms and the sigmoid.

    Args:
        model: a float32 model of ours.
        output: file to write, renamed into place when it is whole.

    Raises:
        ModelError: not a float32 model of ours.
        StorageError: the file cannot be written.
    """
    graph, info = prepared(model)
    layers = tuple(Layer(c.name, c.operator, c.macs, "fp16") for c in convolutions(graph))
    finish(halved(graph), "fp16", output)
    return PrecisionReport(info.network, info.version, info.digest, "fp16", layers)


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its float32 tensors in half, but for inputs, outputs, norms and the last steps to the score."""
    converted = convert_float_to_float16(
        model,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *FLOAT32],
        node_block_list=_tail(model),
    )
    return in_order(converted)


@cache
def rounds_half() -> bool:
    """Whether the ONNX Runtime at hand rounds where it quantises half; 1.23 cuts off instead, 1.32 rounds.

    TensorRT rounds. Where this is False, INT8 with FP16 is worse in ONNX Runtime than on a device.
    """
    x, y = (helper.make_tensor_value_info(n, t, [2]) for n, t in (("x", TensorProto.FLOAT16), ("y", TensorProto.INT8)))
    constants = [numpy_helper.from_array(np.float16(1), "scale"), numpy_helper.from_array(np.int8(0), "zero")]
    nodes = [helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y"])]
    graph = helper.make_graph(nodes, "rounds", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (quantised,) = session.run(None, {"x": np.array([1.75, -1.75], np.float16)})
    return bool((quantised == (2, -2)).all())


def _tail(model: onnx.ModelProto) -> list[str]:
    """The nodes that make the score of the logits: half has 0.0005 to say between 0.5 and 1, and costs are nothing."""
    makers = {name: node for node in model.graph.node for name in node.output}
    names, tensor = [], model.graph.output[0].name
    while tensor in makers and makers[tensor].op_type in TAIL:
        names.append(makers[tensor].name)
        tensor = makers[tensor].input[0]
    return names
