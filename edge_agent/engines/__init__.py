"""Inference back ends: `load_engine` gives the one that fits."""

from __future__ import annotations

from pathlib import Path

from edge_agent.engines.artifact import read_model, shipped_model
from edge_agent.engines.engine import Engine, ModelInfo
from edge_agent.errors import EngineError

__all__ = ["Engine", "ModelInfo", "load_engine"]

BACKENDS = ("auto", "onnxruntime")


def load_engine(model: Path | None = None, backend: str = "auto", threads: int = 0) -> Engine:
    """Load and verify a model.

    Args:
        model: an ONNX file; None is the model that comes with the package.
        backend: "onnxruntime", or "auto" for the best at hand.
        threads: of one inference; 0 is all cores.

    Raises:
        ModelError: the file is missing, broken or not one of ours.
        EngineError: there is no such back end here.
    """
    if backend not in BACKENDS:
        raise EngineError(f'there is no back end "{backend}"', mend=f"choose one of {', '.join(BACKENDS)}")
    from edge_agent.engines.onnx_runtime import OnnxRuntimeEngine  # noqa: PLC0415 - a back end is imported when chosen

    return OnnxRuntimeEngine(read_model(model or shipped_model()), threads)
