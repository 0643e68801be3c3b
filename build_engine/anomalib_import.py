"""Models of other detectors: an ONNX file that anomalib exported, wrapped into our contract.

anomalib (PatchCore, PaDiM, EfficientAD, CFLOW, reverse distillation, …) exports one input `input`, RGB float32
[N, 3, H, W] in 0..1, and among its outputs `anomaly_map`, float32 [N, 1, h, w], normalised so that 0.5 is its
threshold. Around that we put what the agent needs: uint8 BGR [N, H, W, 3] in, `score` [N, H, W] in 0..1 out.
Where N is fixed, as anomalib 2.7 leaves it in PatchCore, pictures go through one by one.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, compose, helper, numpy_helper

from build_engine.networks.single import KIND
from edge_agent.engines import load_engine
from edge_agent.errors import ModelError

MAP = "anomaly_map"
PREFIX = "imported/"
MIN_OPSET = 13  # from there on Squeeze takes its axes as we write them
THRESHOLD = 0.5  # anomalib's normalisation puts it there
EXPORT = "export it again: Engine().export(model, export_type='onnx', input_size=(H, W))"


def import_model(
    source: Path, output: Path, *, name: str, version: str, size: tuple[int, int] | None, threshold: float = THRESHOLD
) -> tuple[int, int]:
    """Wrap a model and prove that the agent can run it.

    Args:
        source: ONNX file of anomalib.
        output: file to write.
        name, version, threshold: metadata; see docs/training.md, "The model file".
        size: height and width; needed where the file leaves them open, else None.

    Returns:
        The height and width that the model sees.

    Raises:
        ModelError: the file is missing, broken, of another layout, or does not run.
    """
    model = _read(source)
    height, width = _size(model, source, size)
    rank, resized = _map_shape(model, source, (height, width))
    wrapped = _wrapped(model, (height, width), rank, resized)
    metadata = {
        "network": name,
        "version": version,
        "kind": KIND,
        "view": "whole",
        "threshold": repr(threshold),
        "weights_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    helper.set_model_props(wrapped, metadata)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        aside = Path(folder) / output.name
        onnx.save(wrapped, aside)
        _try(aside)
        aside.replace(output)
    return height, width


def _read(source: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(source)
        onnx.checker.check_model(model)
    except FileNotFoundError:
        raise ModelError("no such file", where=str(source), mend="check the path") from None
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"is no ONNX model ({reason})", where=str(source), mend=EXPORT) from None
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    if opset < MIN_OPSET:
        raise ModelError(f"has opset {opset}, {MIN_OPSET} is needed", where=str(source), mend=EXPORT)
    return model


def _size(model: onnx.ModelProto, source: Path, size: tuple[int, int] | None) -> tuple[int, int]:
    inputs = _inputs(model)
    if len(inputs) != 1:
        raise ModelError(f"must have one input, but has {len(inputs)}", where=str(source), mend=EXPORT)
    shape, dtype = _shape(inputs[0]), inputs[0].type.tensor_type.elem_type
    if dtype != TensorProto.FLOAT or len(shape) != 4 or shape[1] not in {3, None}:
        text = f"its input must be float32 [N, 3, H, W], but is {TensorProto.DataType.Name(dtype)} {shape}"
        raise ModelError(text, where=str(source), mend=EXPORT)
    fixed = None if shape[2] is None or shape[3] is None else (shape[2], shape[3])
    if fixed and size and fixed != size:
        raise ModelError(f"sees {fixed[0]} × {fixed[1]} pixels", where=str(source), mend="leave --size out")
    if not (fixed or size):
        raise ModelError("leaves the size of its pictures open", where=str(source), mend="give --size H W")
    chosen = fixed or size
    assert chosen is not None
    return chosen


def _map_shape(model: onnx.ModelProto, source: Path, size: tuple[int, int]) -> tuple[int, bool]:
    """Rank of the anomaly map, and whether it must be resized."""
    outputs = {output.name: output for output in model.graph.output}
    if MAP not in outputs:
        raise ModelError(f"has no output {MAP}, but {', '.join(outputs)}", where=str(source), mend=EXPORT)
    shape = _shape(outputs[MAP])
    if len(shape) not in {3, 4} or (len(shape) == 4 and shape[1] not in {1, None}):
        text = f"{MAP} must be [N, 1, H, W] or [N, H, W], but is {shape}"
        raise ModelError(text, where=str(source), mend=EXPORT)
    return len(shape), tuple(shape[-2:]) != size


def _wrapped(model: onnx.ModelProto, size: tuple[int, int], rank: int, resized: bool) -> onnx.ModelProto:
    entry, output = _inputs(model)[0].name, f"{PREFIX}{MAP}"
    batch = _shape(_inputs(model)[0])[0]
    first, last = ("test", "score") if batch is None else ("repeated", "scores")
    inner = compose.add_prefix(model, PREFIX).graph
    constants = {
        "reversed": np.array([2, 1, 0], np.int64),
        "scale": np.float32(1 / 255),
        "channel": np.array([1], np.int64),
        "low": np.float32(0),
        "high": np.float32(1),
        "full": np.array([0, 0, *size], np.int64),
        "none": np.array([], np.float32),
    }
    before = [
        helper.make_node("Cast", [first], ["bgr"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["bgr", "reversed"], ["rgb"], axis=3),
        helper.make_node("Mul", ["rgb", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], [f"{PREFIX}{entry}"], perm=[0, 3, 1, 2]),
    ]
    after, current = [], output
    if rank == 3:
        after.append(helper.make_node("Unsqueeze", [current, "channel"], ["map4"]))
        current = "map4"
    if resized:
        constants["full"] = np.array(size, np.int64)
        after += _resize(current)
        current = "resized"
    after.append(helper.make_node("Squeeze", [current, "channel"], ["map3"]))
    after.append(helper.make_node("Clip", ["map3", "low", "high"], [last]))
    nodes = [*before, *inner.node, *after]
    if batch is not None:
        nodes = [_one_by_one(nodes, size)]
        constants |= {"batch": np.array([batch, *size, 3], np.int64), "first": np.int64(0)}
    used = {name for node in (*before, *after) for name in node.input} | {"batch", "first"}
    graph = helper.make_graph(
        nodes,
        "imported",
        [helper.make_tensor_value_info("test", TensorProto.UINT8, ["N", *size, 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", *size])],
        [*inner.initializer, *(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items() if k in used)],
    )
    wrapped = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    wrapped.functions.extend(model.functions)
    return wrapped


def _one_by_one(nodes: list[onnx.NodeProto], size: tuple[int, int]) -> onnx.NodeProto:
    """A Scan over the pictures: each is repeated to fill the batch that the nodes take, and one of its maps is kept."""
    body = helper.make_graph(
        [
            helper.make_node("Expand", ["picture", "batch"], ["repeated"]),
            *nodes,
            helper.make_node("Gather", ["scores", "first"], ["map"], axis=0),
        ],
        "one_picture",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [*size, 3])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [*size])],
    )
    return helper.make_node("Scan", ["test"], ["score"], body=body, num_scan_inputs=1)


def _resize(current: str) -> list[onnx.NodeProto]:
    """Bilinear to the full size, whatever N: the shape is read at run time."""
    return [
        helper.make_node("Shape", [current], ["shape"], start=0, end=2),
        helper.make_node("Concat", ["shape", "full"], ["wanted"], axis=0),
        helper.make_node("Resize", [current, "", "", "wanted"], ["resized"], mode="linear"),
    ]


def _try(file: Path) -> None:
    """One batch of two through the engine that the agent uses."""
    engine = load_engine(file)
    try:
        shape = (2, engine.info.height, engine.info.width, 3)
        pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        scores = engine.infer(pictures, pictures)
        if scores.shape != shape[:3]:
            raise ModelError(f"its map has the shape {list(scores.shape)}", where=file.name, mend=EXPORT)
    finally:
        engine.close()


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {initializer.name for initializer in model.graph.initializer}
    return [entry for entry in model.graph.input if entry.name not in weights]


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]
