"""A module `tensorrt` without a GPU: this half builds, which means that it only writes the model down.

It has of TensorRT's names those that we use and no others; that the real module has them too is checked against its
own bindings in `test_tensorrt_api.py`. What the environment says in FAKE_TENSORRT goes wrong: "build" (None), "parse",
"slow" (a build of half a minute), "blind" (a plan whose scores are half of what they should be).
"""

from __future__ import annotations

import enum
import os
import sys
import time
from types import ModuleType
from typing import Any

from tests.support.gpu.fake_cuda import FakeCuda
from tests.support.gpu.fake_runtime import (
    DRIVER,
    DataType,
    EngineInspector,
    ICudaEngine,
    IExecutionContext,
    ILogger,
    LayerInformationFormat,
    Runtime,
    Severity,
    TensorIOMode,
    make_plan,
)

__all__ = [
    "DataType",
    "EngineInspector",
    "ICudaEngine",
    "IExecutionContext",
    "ILogger",
    "LayerInformationFormat",
    "Runtime",
    "TensorIOMode",
    "make_plan",
]
__version__ = "10.3.0"


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
        gain = 0.5 if wrong == "blind" else 1.0
        return make_plan(network.model, tuple(int(shape[0]) for shape in shapes), gain=gain)


def install(driver: FakeCuda) -> ModuleType:
    """Make this the module `tensorrt` of the process."""
    DRIVER[:] = [driver]
    module = sys.modules[__name__]
    sys.modules["tensorrt"] = module
    return module
