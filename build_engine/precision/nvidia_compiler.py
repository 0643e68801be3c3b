"""What NVIDIA's own compiler makes of a graph, on a machine without a GPU.

TensorRT-RTX comes as ordinary wheels (`pip install tensorrt-rtx-cu12`, about 100 MB, NVIDIA's licence) with NVIDIA's
ONNX parser and engine compiler, which need no device. It is another product than the TensorRT of a Jetson and knows
no sm_87: it tells whether a graph parses and in which type each convolution runs, not how fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import onnx

from edge_agent.errors import EngineError

TARGET = "SM86"  # what it knows nearest to the sm_87 of a Jetson Orin: the same generation
BATCHES = (1, 4, 8)  # smallest, most usual and largest N to build for
TYPES = {"Int8": "int8", "Half": "fp16", "Float": "fp32"}
_LAYER = re.compile(r"Name: (?P<name>.*?), LayerType: (?P<kind>.*?), Inputs: (?P<inputs>.*?), (?:Constants|Outputs): ")
_INPUT_TYPE = re.compile(r"Datatype: (\w+)")
_SOURCE = re.compile(r"\[ONNX Layer: (.*?)\]")


@dataclass(frozen=True)
class CompiledLayer:
    """One kernel of the engine.

    Attributes:
        name: that the compiler gave it.
        kind: "correlation" is a convolution; "kgen" is generated code, for nearly all else.
        precision: of its first input, "int8", "fp16", "fp32", or the compiler's own word.
        nodes: names of the ONNX nodes that it computes.
    """

    name: str
    kind: str
    precision: str
    nodes: tuple[str, ...]


def available() -> bool:
    """Whether the compiler is installed."""
    try:
        import tensorrt_rtx_bindings  # noqa: F401, PLC0415 - optional, and large
    except ImportError:
        return False
    return True


def compiled_layers(model: onnx.ModelProto) -> tuple[CompiledLayer, ...]:
    """Build the graph and read the layers from the compiler's log.

    Its inputs become float32 first: this product takes no uint8, unlike TensorRT.

    Raises:
        EngineError: the compiler is not installed, or refuses the graph; its own words are in the text.
    """
    try:
        import tensorrt_rtx_bindings as trt  # noqa: PLC0415 - optional, and large
    except ImportError as error:
        raise EngineError("NVIDIA's compiler is not installed", mend="pip install tensorrt-rtx-cu12") from error
    log = _log(trt)
    builder = trt.Builder(log)
    network = builder.create_network(0)  # strongly typed: what it always is here
    parser = trt.OnnxParser(network, log)
    if not parser.parse(_with_float_inputs(model).SerializeToString()):
        raise EngineError(_refusal(parser.get_error(index).desc() for index in range(parser.num_errors)))
    plan = builder.build_serialized_network(network, _configured(trt, builder, network))
    if plan is None:
        raise EngineError(_refusal(log.complaints))
    return tuple(filter(None, map(_layer, log.layers.splitlines())))


def shares(model: onnx.ModelProto, macs: dict[str, int]) -> tuple[dict[str, str], dict[str, float]]:
    """In which precision each convolution runs by that compiler, and the share of the arithmetic of each precision.

    Args:
        model: to build.
        macs: multiply-accumulates of each convolution by the name of its node.

    Raises:
        EngineError: see `compiled_layers`, or a convolution is in no layer.
    """
    precisions = {
        node: layer.precision for layer in compiled_layers(model) if layer.kind != "kgen" for node in layer.nodes
    }
    lost = [name for name in macs if name not in precisions]
    if lost:
        raise EngineError(f"{lost[0]} is in no layer of the engine")
    total = sum(macs.values()) or 1
    found = {name: precisions[name] for name in macs}
    kinds = sorted(set(found.values()))
    return found, {kind: sum(macs[name] for name in macs if found[name] == kind) / total for kind in kinds}


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc] # a class of the bindings, known only where they are
        """Keeps the list of layers, which is in the log alone, and what is wrong."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.layers = ""
            self.complaints: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if message.startswith("Layers:"):
                self.layers = message
            elif severity <= trt.ILogger.Severity.ERROR:
                self.complaints.append(message)

    return Log()


def _configured(trt: Any, builder: Any, network: Any) -> Any:
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, TARGET), 0)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        profile.set_shape(tensor.name, *([batch if size == -1 else size for size in tensor.shape] for batch in BATCHES))
    config.add_optimization_profile(profile)
    return config


def _with_float_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.input:
        if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return copy


def _layer(line: str) -> CompiledLayer | None:
    found = _LAYER.match(line)
    if not found:
        return None
    kind, first = found["kind"], _INPUT_TYPE.search(found["inputs"])
    precision = TYPES.get(first[1], first[1]) if first else ""
    return CompiledLayer(found["name"], kind, precision, tuple(_SOURCE.findall(line)))


def _refusal(words: Iterable[str]) -> str:
    return "NVIDIA's compiler refuses the graph: " + ("; ".join(words) or "it gives no reason")[:500]
