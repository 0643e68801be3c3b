"""A module `tensorrt` whose execution context computes with ONNX Runtime, at the addresses given, on the stream.

It has of TensorRT's names those that we use and no others; that the real module has them too is checked against its
own bindings in `test_tensorrt_api.py`. A "plan" is a line of JSON and an ONNX model; the builder only writes it down.
What the environment says in FAKE_TENSORRT goes wrong: "build" (None), "parse", "slow" (a build of half a minute).
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import sys
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime

from tests.support.gpu.fake_cuda import FakeCuda

__version__ = "10.3.0"
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
        self.refuses = plan.get("refuses", False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
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
            places["score"][...] = self._engine.session.run(["score"], feed)[0]

        DRIVER[0].call(stream_handle, compute)
        return True


class LayerInformationFormat(enum.Enum):
    ONELINE, JSON = range(2)


class EngineInspector:
    def get_engine_information(self, format: LayerInformationFormat) -> str:  # noqa: A002 - its name there
        tensor = [{"Name": "x", "Format/Datatype": "Row major linear FP32"}]
        layer = {"Name": "AveragePool", "LayerType": "CaskPooling", "Inputs": tensor, "Outputs": tensor}
        return json.dumps({"Layers": [layer]})


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH, STRONGLY_TYPED = range(2)


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.Enum):
    LAYER_NAMES_ONLY, NONE, DETAILED = range(3)


class DeviceType(enum.Enum):
    GPU, DLA = range(2)


class BuilderFlag(enum.Enum):
    GPU_FALLBACK = 3


class OnnxParserFlag(enum.Enum):
    NATIVE_INSTANCENORM = 0


class IProgressMonitor:
    pass


class ParserError:
    def desc(self) -> str:
        return "Assertion failed: unsupported by the test"

    def node_name(self) -> str:
        return "node_7"

    def node_operator(self) -> str:
        return "Conv"


class Tensor:
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name, self.shape = name, shape


class INetworkDefinition:
    model = b""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> Tensor:
        return self.inputs[index]


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: Any) -> None:
        self._network, self.num_errors = network, 0

    def set_flag(self, flag: OnnxParserFlag) -> None:
        assert isinstance(flag, OnnxParserFlag)

    def parse(self, model: bytes) -> bool:
        if os.environ.get("FAKE_TENSORRT") == "parse":
            self.num_errors = 1
            return False
        self._network.model = model
        engine = ICudaEngine(None, {"profile": (1, 1, 1)}, model)
        for name in engine.tensors:
            if engine.get_tensor_mode(name) == TensorIOMode.INPUT:
                self._network.inputs.append(Tensor(name, engine.get_tensor_shape(name)))
        return True

    def get_error(self, index: int) -> ParserError:
        return ParserError()


class IOptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[tuple[int, ...]]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002 - their names there
        self.shapes[input] = [min, opt, max]


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return b"timed"


class IBuilderConfig:
    builder_optimization_level = 3
    profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
    default_device_type = DeviceType.GPU
    DLA_core = -1
    progress_monitor: Any = None
    profile: IOptimizationProfile
    cache: ITimingCache

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        assert isinstance(pool, MemoryPoolType)

    def set_flag(self, flag: BuilderFlag) -> None:
        assert isinstance(flag, BuilderFlag)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.profile = profile
        return 0

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return cache.content in {b"", b"timed"}

    def get_timing_cache(self) -> ITimingCache:
        return self.cache


class Builder:
    num_DLA_cores = 0  # noqa: N815 - its name there

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def create_network(self, flags: int) -> INetworkDefinition:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        wrong = os.environ.get("FAKE_TENSORRT", "")
        monitor, steps = config.progress_monitor, 30
        monitor.phase_start("Building engine", None, steps)
        for step in range(steps):
            if wrong == "slow":
                time.sleep(1)
            if not monitor.step_complete("Building engine", step):
                return None
        monitor.phase_finish("Building engine")
        if wrong == "build":
            self._logger.log(Severity.ERROR, "Error Code 10: Could not find any implementation for node Conv_3")
            return None
        assert config.profiling_verbosity == ProfilingVerbosity.DETAILED
        shapes = next(iter(config.profile.shapes.values()))
        return make_plan(network.model, tuple(int(shape[0]) for shape in shapes))


def make_plan(model: bytes, profile: tuple[int, ...] = (1, 4, 8), **behaviour: Any) -> bytes:
    """A plan for the fake runtime. behaviour: `memory` in bytes that it needs, `refuses` to run."""
    return json.dumps({"profile": profile, **behaviour}).encode() + b"\n" + model


def install(driver: FakeCuda) -> ModuleType:
    """Make this the module `tensorrt` of the process."""
    DRIVER[:] = [driver]
    module = sys.modules[__name__]
    sys.modules["tensorrt"] = module
    return module
