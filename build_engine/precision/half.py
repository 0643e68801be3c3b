"""FP16: the graph computes in half precision, but for what half cannot hold.

`onnxruntime.transformers.float16` does the conversion: the branch of onnxconverter-common that ONNX Runtime keeps.
The original (1.16) leaves casts and resizes of our graph with wrong types.
"""

from __future__ import annotations

from pathlib import Path

import onnx
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


def _tail(model: onnx.ModelProto) -> list[str]:
    """The nodes that make the score of the logits: half has 0.0005 to say between 0.5 and 1, and costs are nothing."""
    makers = {name: node for node in model.graph.node for name in node.output}
    names, tensor = [], model.graph.output[0].name
    while tensor in makers and makers[tensor].op_type in TAIL:
        names.append(makers[tensor].name)
        tensor = makers[tensor].input[0]
    return names
