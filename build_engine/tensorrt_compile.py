"""ONNX model → plan on the device at hand, with its manifest. Imported only where TensorRT and pycuda are installed."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import tensorrt as trt

from build_engine.compilation import preflight
from build_engine.compilation.builder import build_plan, inspect_layers
from build_engine.compilation.layers import Layer, write_layers
from build_engine.compilation.options import BuildOptions
from build_engine.compilation.told import Told
from edge_agent.engines.artifact import read_model
from edge_agent.engines.cuda import Gpu
from edge_agent.engines.manifest import MANIFEST, MODEL, PLAN, CalibrationRecord, Manifest
from edge_agent.engines.onnx_runtime import OnnxRuntimeEngine
from edge_agent.engines.plan import DeviceInfo
from edge_agent.engines.tensorrt_log import TensorRtLog
from edge_agent.errors import ModelError, StorageError
from edge_agent.log import event

log = logging.getLogger(__name__)

TIMING_CACHE = ".timing-cache"  # beside the artifacts
LOOK_S = 0.2


@dataclass(frozen=True)
class Here:
    """What a plan would be bound to: this device and this TensorRT."""

    device: DeviceInfo
    tensorrt: str


def here() -> Here:
    """The device and TensorRT at hand. Raises EngineError if there is no GPU."""
    gpu = Gpu()
    gpu.close()
    return Here(gpu.info, str(trt.__version__))


def expected(model: Path, options: BuildOptions, place: Here) -> Manifest:
    """The manifest that `compile` would write, but for the plan's hash. Raises ModelError if it is no model of ours."""
    reader = OnnxRuntimeEngine(read_model(model))
    info = reader.info
    reader.close()
    return Manifest(
        model_sha256=info.digest,
        precision=info.precision,
        network=info.network,
        version=info.version,
        tile=(info.height, info.width),
        batch=options.profile,
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        tensorrt=place.tensorrt,
        cuda=place.device.cuda,
        driver=place.device.driver,
        device=place.device.name,
        compute_capability=place.device.compute_capability,
        builder=options.record(),
        calibration=_calibration(model),
    )


def compile(  # noqa: A001 - what it does is called so everywhere
    model: Path, folder: Path, options: BuildOptions | None = None, told: Told = lambda *_: None
) -> Manifest:
    """Compile a model into `folder`, a staged one of a store or a new one: plan.engine, layers.json, manifest.json.

    It can be interrupted with Ctrl-C. What passed an accuracy gate before does not count for a new plan: the
    manifest's `gate` is None.

    Args:
        model: an ONNX model with precision in its graph; it is copied to the folder if it is not there.
        folder: exists. A killed build leaves it half full, so that it should be staged.
        options: for TensorRT's builder.
        told: is told the progress, from another thread.

    Raises:
        ModelError: not one of our models, or TensorRT's parser refuses it.
        EngineError: no GPU, too little memory, or TensorRT cannot build it.
        StorageError: the disk is full or may not be written.
    """
    options = options or BuildOptions()
    manifest = expected(model, options, here())
    content = read_model(model).content
    _lint(content, model)
    preflight.check_memory(options.workspace_mb)
    preflight.check_disk(folder, len(content))
    plan, layers = _in_a_thread(content, options, folder.parent / TIMING_CACHE, told)
    manifest = replace(manifest, plan_sha256=hashlib.sha256(plan).hexdigest())
    try:
        if not (folder / MODEL).exists() or not (folder / MODEL).samefile(model):
            shutil.copyfile(model, folder / MODEL)
        _write(folder / PLAN, plan)
        write_layers(layers, folder)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise StorageError(what, where=str(folder), mend="check free space and permissions") from error
    manifest.write(folder)
    return manifest


def _lint(content: bytes, model: Path) -> None:
    """Refuse what TensorRT would silently compute in float, where onnx is installed; a device may do without it."""
    try:
        import onnx  # noqa: PLC0415

        from build_engine.precision.lint import lint  # noqa: PLC0415
    except ImportError as error:
        log.info(event("lint-left-out", why=error))
        return
    findings = lint(onnx.load_from_string(content))
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise ModelError(f"{findings[0].node}: {findings[0].what}{more}", where=str(model), mend=findings[0].mend)


def _in_a_thread(content: bytes, options: BuildOptions, cache: Path, told: Told) -> tuple[bytes, list[Layer]]:
    """Build beside the main thread, which alone hears Ctrl-C: nothing may be raised through TensorRT's code."""
    stop = threading.Event()

    def build() -> tuple[bytes, list[Layer]]:
        gpu = Gpu()
        try:
            with gpu.current():
                preflight.check_gpu_memory(options.workspace_mb, gpu.free_bytes())
                said = TensorRtLog()
                plan = build_plan(content, options, said, timing_cache=cache, told=told, stop=stop)
                return plan, inspect_layers(plan, said, options.dla_core)
        finally:
            gpu.close()

    with ThreadPoolExecutor(1, "tensorrt-build") as threads:
        try:
            return _awaited(threads.submit(build))
        except KeyboardInterrupt:
            stop.set()  # leaving the block waits for the end of the build
            raise


def _awaited(future: Future[tuple[bytes, list[Layer]]]) -> tuple[bytes, list[Layer]]:
    while True:
        try:
            return future.result(LOOK_S)
        except NotYetError:
            continue


def _calibration(model: Path) -> CalibrationRecord | None:
    """Ranges are in the model: what they came from stays true for another plan of the same model."""
    if not (model.parent / MANIFEST).is_file():
        return None
    return Manifest.read(model.parent).calibration


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
