"""TensorRT's builder, one code path for TensorRT 10.3 to 11.4. Imported where TensorRT is installed, and only there.

TensorRT answers None or False where it fails: every answer is looked at, and the reason comes from its log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path

import tensorrt as trt

from build_engine.compilation.layers import Layer, parse_layers
from build_engine.compilation.options import BuildOptions
from build_engine.compilation.told import Told
from edge_agent.engines.tensorrt_log import TensorRtLog
from edge_agent.errors import EngineError, ModelError
from edge_agent.log import event

log = logging.getLogger(__name__)

REPORT = "report this with the model; FP16 (build-engine quantize) may build meanwhile"


class Progress(trt.IProgressMonitor):  # type: ignore[misc] # where TensorRT is not installed its types are not known
    """Passes on how far the build is. Called from threads of TensorRT, through which nothing may be raised."""

    def __init__(self, told: Told, stop: threading.Event) -> None:
        super().__init__()
        self._told, self._stop = told, stop
        self._phases: dict[str, tuple[str, int]] = {}

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """A phase begins."""
        self._phases[phase_name] = (parent_phase or "", num_steps)
        self._tell(phase_name, 0)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """A step is done; False ends the build."""
        self._tell(phase_name, step + 1)
        return not self._stop.is_set()

    def phase_finish(self, phase_name: str) -> None:
        """A phase is over, perhaps before all its steps."""
        self._tell(phase_name, self._phases.get(phase_name, ("", 0))[1])

    def _tell(self, phase: str, done: int) -> None:
        try:
            parent, steps = self._phases.get(phase, ("", 0))
            self._told(phase, parent, done, steps)
        except Exception as error:  # noqa: BLE001 - a bar that cannot be drawn must not end the build
            log.debug(event("progress-lost", why=error))


def build_plan(
    model: bytes, options: BuildOptions, said: TensorRtLog, *, timing_cache: Path, told: Told, stop: threading.Event
) -> bytes:
    """Compile an ONNX model for the device at hand; its CUDA context must be current.

    Args:
        model: an ONNX model with precision in its graph.
        options: for the builder.
        said: TensorRT's log.
        timing_cache: read and written, so that the next build of a like model is quicker.
        told: is told the progress.
        stop: set from outside to end the build.

    Raises:
        ModelError: TensorRT's parser refuses the model.
        EngineError: there is no such DLA core, or TensorRT cannot build the plan, or it was stopped.
    """
    builder = trt.Builder(said)
    # Precision comes from the graph. TensorRT 11 always works so, and ignores the flag.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(network, model, said, dla=options.dla_core is not None)
    config = builder.create_builder_config()
    _configure(builder, config, options)
    _add_profile(builder, config, network, options)
    cache = _read_timing_cache(config, timing_cache)
    monitor = Progress(told, stop)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        if stop.is_set():
            raise EngineError("the build was stopped")
        raise EngineError(said.why("TensorRT cannot build the plan"), mend=REPORT)
    if cache is not None:
        _write_timing_cache(config, timing_cache)
    return bytes(memoryview(plan))


def inspect_layers(plan: bytes, said: TensorRtLog, dla_core: int | None) -> list[Layer]:
    """The layers of a plan, and proof that it can be loaded. Raises EngineError where it cannot."""
    runtime = trt.Runtime(said)
    if dla_core is not None:
        runtime.DLA_core = dla_core
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError(said.why("TensorRT cannot load the plan that it has built"), mend=REPORT)
    inspector = engine.create_engine_inspector()
    return parse_layers(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def _parse(network: trt.INetworkDefinition, model: bytes, said: TensorRtLog, *, dla: bool) -> None:
    parser = trt.OnnxParser(network, said)
    parser.set_flag(trt.OnnxParserFlag.NATIVE_INSTANCENORM)  # not as a plugin, whose library would be needed too
    adjust = getattr(trt.OnnxParserFlag, "ADJUST_FOR_DLA", None)  # since TensorRT 10.13
    if dla and adjust is not None:
        parser.set_flag(adjust)
    if not parser.parse(model):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        named = [f"{error.node_name() or error.node_operator() or 'the graph'}: {error.desc()}" for error in errors]
        mend = "the lint of build-engine quantize names what TensorRT does not take"
        raise ModelError(
            f"TensorRT cannot read the model ({'; '.join(named) or said.why('no reason given')})", mend=mend
        )


def _configure(builder: trt.Builder, config: trt.IBuilderConfig, options: BuildOptions) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    config.builder_optimization_level = options.level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # else the inspector knows names alone
    core = options.dla_core
    if core is None:
        return
    if core >= builder.num_DLA_cores:
        there = f"it has {builder.num_DLA_cores}" if builder.num_DLA_cores else "it has none that TensorRT can use"
        raise EngineError(f"this device has no DLA core {core}, {there}", mend="leave out --dla")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _add_profile(
    builder: trt.Builder, config: trt.IBuilderConfig, network: trt.INetworkDefinition, options: BuildOptions
) -> None:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        tile = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, *((count, *tile) for count in options.profile))
    if config.add_optimization_profile(profile) < 0:
        least, usual, most = options.profile
        raise EngineError(f"TensorRT does not take batches of {least}, {usual} and {most} tiles", mend="give --batch")


def _read_timing_cache(config: trt.IBuilderConfig, path: Path) -> trt.ITimingCache | None:
    """Attach the cache of earlier builds. One of another device or TensorRT is not taken, and written anew."""
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            return None
    return cache


def _write_timing_cache(config: trt.IBuilderConfig, path: Path) -> None:
    """Aside, then renamed. The next build does without it if that fails."""
    cache = config.get_timing_cache()
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        if cache is not None:
            aside.write_bytes(memoryview(cache.serialize()))
            aside.replace(path)
    except OSError as error:
        log.warning(event("timing-cache-not-written", why=error))
        with contextlib.suppress(OSError):
            aside.unlink()
