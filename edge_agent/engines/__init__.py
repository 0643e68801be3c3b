"""Inference back ends: `load_engine` gives the one that fits."""

from __future__ import annotations

from pathlib import Path

from edge_agent.engines.artifact import read_model, shipped_model
from edge_agent.engines.engine import Engine, ModelInfo
from edge_agent.engines.plan import Artifact, is_artifact, read_artifact
from edge_agent.errors import EngineError, PlanError

__all__ = ["BACKENDS", "Engine", "ModelInfo", "load_engine"]

BACKENDS = ("auto", "onnxruntime", "tensorrt")
NO_TENSORRT = "on a Jetson: pip install 'matecheck[jetson]' into an environment with --system-site-packages"


def load_engine(model: Path | None = None, backend: str = "auto", threads: int = 0) -> Engine:
    """Load and verify a model, or the engine that was made of one.

    Args:
        model: an ONNX file, or the folder of an engine artifact (a link to it too); None is the model that comes with
            the package.
        backend: "onnxruntime", "tensorrt" (needs an artifact with a plan), or "auto": TensorRT where there is a plan
            that runs here, else ONNX Runtime; `degraded` of the engine then says why.
        threads: of one inference on the CPU; 0 is all cores.

    Raises:
        ModelError: the file or artifact is missing, broken or not one of ours; PlanError: "tensorrt" was asked for,
            and the plan does not fit here or is not to be trusted.
        EngineError: there is no such back end here.
    """
    if backend not in BACKENDS:
        raise EngineError(f'there is no back end "{backend}"', mend=f"choose one of {', '.join(BACKENDS)}")
    path = model or shipped_model()
    artifact = read_artifact(path) if is_artifact(path) else None
    if backend == "tensorrt":
        if artifact is None:
            mend = f"compile it (sudo build-engine compile {path}), and name the engine's folder"
            raise EngineError("TensorRT runs a compiled engine, not an ONNX model", where=str(path), mend=mend)
        return _tensorrt(artifact)
    degraded = ""
    if backend == "auto" and artifact is not None and artifact.manifest.plan_sha256:
        try:
            return _tensorrt(artifact)
        except (EngineError, PlanError) as error:
            degraded = f"ONNX Runtime on the CPU instead of TensorRT: {error}"
    from edge_agent.engines.onnx_runtime import OnnxRuntimeEngine  # noqa: PLC0415 - a back end is imported when chosen

    engine = OnnxRuntimeEngine(artifact.model if artifact else read_model(path), threads)
    engine.degraded = degraded
    return engine


def _tensorrt(artifact: Artifact) -> Engine:
    try:
        from edge_agent.engines.tensorrt import TensorRtEngine  # noqa: PLC0415 - only a device has what it needs
    except ImportError as error:
        what = f"TensorRT cannot be used ({error})"
        raise EngineError(what, mend=NO_TENSORRT) from error
    return TensorRtEngine(artifact)
