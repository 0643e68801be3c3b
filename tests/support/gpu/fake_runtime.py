"""The half of the fake `tensorrt` that runs plans: a "plan" is a line of JSON and an ONNX model.

Its execution context computes with ONNX Runtime at the addresses given, on the stream.
"""

from __future__ import annotations

import ctypes
import enum
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from edge_agent.engines.onnx_runtime import FLOAT_BIASES
from tests.support.gpu.fake_cuda import FakeCuda

DRIVER: list[FakeCuda] = []


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8 = range(6)


class Runtime:
    DLA_core = -1

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        try:
            header, model = serialized_engine.split(b"\n", 1)
            return ICudaEngine(self.logger, json.loads(header), model)
        except (ValueError, KeyError):
            self.logger.log(Severity.ERROR, "Serialization assertion failed. Magic tag does not match")
            return None


class ICudaEngine:
    def __init__(self, logger: Any, plan: Mapping[str, Any], model: bytes) -> None:
        self.logger, self._profile = logger, plan["profile"]
        self.device_memory_size_v2 = plan.get("memory", 1 << 20)
        self.refuses, self.gain = plan.get("refuses", False), plan.get("gain", 1.0)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=FLOAT_BIASES
        )
        self._inputs = [t.name for t in self.session.get_inputs()]
        self.tensors = {t.name: t for t in (*self.session.get_inputs(), *self.session.get_outputs())}
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(uint8)": DataType.UINT8, "tensor(float)": DataType.FLOAT}[self.tensors[name].type]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(size if isinstance(size, int) else -1 for size in self.tensors[name].shape)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [(size, *self.get_tensor_shape(name)[1:]) for size in self._profile]

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector()

    def create_execution_context(self) -> IExecutionContext | None:
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self._engine.get_tensor_profile_shape(name, 0)
        fits = least[0] <= shape[0] <= most[0] and shape[1:] == self._engine.get_tensor_shape(name)[1:]
        if fits:
            self._shapes[name] = shape
        return fits

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return name in self._engine.tensors

    def execute_async_v3(self, stream_handle: int) -> bool:
        count = next(iter(self._shapes.values()))[0]
        places = {}
        for name in self._engine.tensors:
            dtype = np.uint8 if name in self._shapes else np.float32
            shape = self._shapes.get(name, (count, *self._engine.get_tensor_shape(name)[1:]))
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            if not DRIVER[0].reachable(self._addresses[name], size):
                self._engine.logger.log(Severity.ERROR, f"{name} is bound to memory that the GPU cannot reach")
                return False
            memory = (ctypes.c_uint8 * size).from_address(self._addresses[name])
            places[name] = np.frombuffer(memory, dtype).reshape(shape)
        if self._engine.refuses:
            self._engine.logger.log(Severity.ERROR, "IExecutionContext::enqueueV3: refused by the test")
            return False

        def compute() -> None:
            feed = {name: places[name] for name in self._shapes}
            places["score"][...] = self._engine.session.run(["score"], feed)[0] * np.float32(self._engine.gain)

        DRIVER[0].call(stream_handle, compute)
        return True


class LayerInformationFormat(enum.Enum):
    ONELINE, JSON = range(2)


class EngineInspector:
    def get_engine_information(self, format: LayerInformationFormat) -> str:  # noqa: A002 - its name there
        tensor = [{"Name": "x", "Format/Datatype": "Row major linear FP32"}]
        layer = {"Name": "AveragePool", "LayerType": "CaskPooling", "Inputs": tensor, "Outputs": tensor}
        return json.dumps({"Layers": [layer]})


def make_plan(model: bytes, profile: tuple[int, ...] = (1, 4, 8), **behaviour: Any) -> bytes:
    """A plan for the fake runtime. behaviour: `memory` in bytes that it needs, `refuses` to run, `gain` of scores."""
    return json.dumps({"profile": profile, **behaviour}).encode() + b"\n" + model
