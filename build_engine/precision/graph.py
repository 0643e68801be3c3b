"""The graph that precision is written into: read, folded, shapes known; and how it is written out."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import quant_pre_process
from onnxruntime.quantization.onnx_model import ONNXModel

from build_engine.precision.lint import lint
from edge_agent.engines import ModelInfo, load_engine
from edge_agent.errors import ModelError, StorageError

CONVOLUTIONS = ("Conv", "ConvTranspose")


@dataclass(frozen=True)
class Convolution:
    """A convolution of the graph.

    Attributes:
        name: of its node.
        operator: one of CONVOLUTIONS.
        activation, weight: names of its first two inputs.
        macs: multiply-accumulates for one pair of tiles.
    """

    name: str
    operator: str
    activation: str
    weight: str
    macs: int


def prepared(file: Path) -> tuple[onnx.ModelProto, ModelInfo]:
    """A float32 model with constants folded, norms folded into the convolutions before them, and all shapes known.

    ONNX Runtime's own preparation for quantising does it: what it cannot fold (instance norm) stays.

    Raises:
        ModelError: the file is no model of ours, or not float32.
    """
    engine = load_engine(file)
    info = engine.info
    engine.close()
    if info.precision != "fp32":
        raise ModelError(
            f"is {info.precision} already", where=str(file), mend="start from the float32 model that it was made of"
        )
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)
        quant_pre_process(str(file), str(folded), skip_symbolic_shape=True)
        model = onnx.load(folded)
    kept = {entry.key: entry.value for entry in onnx.load(file, load_external_data=False).metadata_props}
    onnx.helper.set_model_props(model, kept)
    return model, info


def convolutions(model: onnx.ModelProto) -> tuple[Convolution, ...]:
    """All convolutions of a prepared model, in the order in which they run."""
    shapes = _shapes(model)
    return tuple(
        Convolution(node.name, node.op_type, node.input[0], node.input[1], _macs(node, shapes))
        for node in model.graph.node
        if node.op_type in CONVOLUTIONS
    )


def initializer(model: onnx.ModelProto, name: str) -> onnx.TensorProto | None:
    """The constant of that name, if it is one."""
    return next((tensor for tensor in model.graph.initializer if tensor.name == name), None)


def in_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its nodes in the order in which they run, as the standard asks for; rewriters append."""
    wrapped = ONNXModel(model)
    wrapped.topological_sort()
    ordered: onnx.ModelProto = wrapped.model
    return ordered


def finish(model: onnx.ModelProto, precision: str, output: Path) -> None:
    """Name the precision in the metadata, check the model with ONNX's checker and our lint, write it aside, rename.

    Raises:
        ModelError: the lint refuses what was made; every finding is in its text.
        StorageError: the file cannot be written.
    """
    entries = {entry.key: entry.value for entry in model.metadata_props} | {"precision": precision}
    onnx.helper.set_model_props(model, entries)
    onnx.checker.check_model(model, full_check=True)
    findings = lint(model)
    if findings:
        raise ModelError("; ".join(map(str, findings)), where=str(output))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent) as folder:
            aside = Path(folder) / output.name
            onnx.save(model, aside)
            load_engine(aside).close()
            aside.replace(output)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise StorageError(what, where=str(output), mend="make room, or name a place that you may write to") from error


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor that has one; 1 where it is dynamic, which is N alone."""
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    shapes = {
        value.name: tuple(
            size.dim_value if size.HasField("dim_value") else 1 for size in value.type.tensor_type.shape.dim
        )
        for value in values
    }
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def _macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """Each output value meets a kernel of one group; in a transposed convolution each input value does."""
    meets = node.output[0] if node.op_type == "Conv" else node.input[0]
    try:
        values, kernel = shapes[meets], shapes[node.input[1]]
    except KeyError as error:
        raise ModelError(f"the shape of {error} is not known", where=node.name, mend="export it again") from error
    return int(np.prod(values)) * int(np.prod(kernel[1:]))
