"""What TensorRT refuses, or takes and then computes otherwise than it stands there, found before anything is compiled.

Each rule is what NVIDIA's compiler does, as the tests show with that compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

Q, DQ = "QuantizeLinear", "DequantizeLinear"
INTEGER_OPERATORS = ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        node: its name, or that of its output where it has none.
        what: a clause.
        mend: what to do, an imperative clause.
    """

    node: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what}; {self.mend}"


def lint(model: onnx.ModelProto) -> list[Finding]:
    """Everything in a graph that TensorRT rejects, reads wrongly or silently runs in float; none in a plain graph."""
    graph = _Graph(model)
    return [finding for node in model.graph.node for finding in _of(node, graph)]


class _Graph:
    """Who makes a tensor, which are constants, and of which type they are."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        inferred = onnx.shape_inference.infer_shapes(model).graph
        values = (*inferred.input, *inferred.value_info, *inferred.output)
        self.types = {value.name: value.type.tensor_type.elem_type for value in values}
        self.types |= {name: tensor.data_type for name, tensor in self.constants.items()}

    def constant(self, name: str) -> NDArray[Any] | None:
        """Value of a constant, from an initializer or a Constant node."""
        if name in self.constants:
            return numpy_helper.to_array(self.constants[name])
        maker = self.makers.get(name)
        if maker is not None and maker.op_type == "Constant" and maker.attribute[0].name == "value":
            return numpy_helper.to_array(maker.attribute[0].t)
        return None

    def size(self, name: str) -> int:
        """Number of values of a constant; 0 where it is none."""
        value = self.constant(name)
        return 0 if value is None else value.size

    def dequantizer(self, name: str) -> onnx.NodeProto | None:
        """The DequantizeLinear that makes a tensor; an Identity between changes nothing."""
        maker = self.makers.get(name)
        while maker is not None and maker.op_type == "Identity":
            maker = self.makers.get(maker.input[0])
        return maker if maker is not None and maker.op_type == DQ else None

    def type_of(self, name: str) -> int:
        """Element type of a tensor; 0 where it is not known."""
        return int(self.types.get(name, TensorProto.UNDEFINED))


def _of(node: onnx.NodeProto, graph: _Graph) -> Iterator[Finding]:
    name = node.name or (node.output[0] if node.output else node.op_type)
    if node.op_type in (Q, DQ):
        yield from (Finding(name, what, mend) for what, mend in _quantiser(node, graph))
    elif node.op_type == "Conv":
        yield from (Finding(name, what, mend) for what, mend in _convolution(node, graph))
    elif node.op_type == "ConvTranspose" and any(graph.dequantizer(operand) for operand in node.input[:2]):
        yield Finding(
            name,
            "a transposed convolution runs in float whatever is quantised around it",
            "leave its Q/DQ out, or upsample by a resize and a convolution",
        )
    elif node.op_type in INTEGER_OPERATORS:
        yield Finding(name, f"TensorRT has no {node.op_type}", "write it as Q/DQ around the float operator")


def _quantiser(node: onnx.NodeProto, graph: _Graph) -> Iterator[tuple[str, str]]:
    """What is wrong with a QuantizeLinear or DequantizeLinear."""
    data, scale_name = node.input[:2]
    zero_name = node.input[2] if len(node.input) > 2 else ""
    if node.op_type == DQ and graph.type_of(data) == TensorProto.INT32:
        yield "a bias in int32 is rejected", "leave the bias in float (QuantizeBias=False)"
        return
    scale = graph.constant(scale_name)
    if scale is None:
        yield "its scale is not a constant, which breaks the compiler", "calibrate, and write the scale into the graph"
    elif not (np.isfinite(scale).all() and (scale > 0).all()):
        yield "a scale is not above 0 and finite", "calibrate on tiles that show something"
    if node.op_type == Q and {graph.type_of(data), graph.type_of(scale_name)} == {
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
    }:
        yield "data and scale are of two float types", "convert both to half, with opset 19"
    kind = graph.type_of(zero_name) if zero_name else graph.type_of(data if node.op_type == DQ else node.output[0])
    if kind == TensorProto.UINT8:
        yield "uint8 is read as int8", "quantise to int8 with zero-point 0, and name the zero-point"
    elif kind not in (TensorProto.INT8, TensorProto.UNDEFINED):
        yield f"{TensorProto.DataType.Name(kind).lower()} is not int8", "quantise to int8 with zero-point 0"
    zero = graph.constant(zero_name) if zero_name else None
    if zero is not None and np.asarray(zero).astype(np.int64).any():
        yield "a zero-point other than 0 is rejected", "quantise symmetrically (ActivationSymmetric, WeightSymmetric)"
    elif zero_name and zero is None:
        yield "its zero-point is not a constant", "write 0 of type int8"


def _convolution(node: onnx.NodeProto, graph: _Graph) -> Iterator[tuple[str, str]]:
    """What keeps a Conv that someone wanted in int8 from running in it."""
    activation, weight = (graph.dequantizer(operand) for operand in node.input[:2])
    if (activation is None) != (weight is None):
        lacks, has = ("input", "weights") if activation is None else ("weights", "input")
        yield f"its {has} are quantised, its {lacks} not: it runs in float", f"quantise its {lacks} too, or neither"
    if activation is not None and graph.size(activation.input[1]) > 1:
        yield "its input has a scale a channel: it runs in float", "give activations one scale"
    if weight is not None and graph.size(weight.input[1]) > 1 and _axis(weight) != 0:
        yield f"the scales of its weights lie along axis {_axis(weight)}: it runs in float", "quantise along axis 0"


def _axis(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "axis"), 1)
