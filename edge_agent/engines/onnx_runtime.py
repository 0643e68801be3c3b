"""ONNX Runtime on the CPU: the back end that runs everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_agent.engines.artifact import OURS, ModelFile, Tensor, verify
from edge_agent.engines.engine import Engine, ScoreMaps, Tiles
from edge_agent.errors import EngineError, ModelError

MAX_BATCH = 4  # bounds the memory of the activations; on a CPU larger batches are no faster


# Biases stay in float, as they stand in the file. ONNX Runtime would make integers of them, in steps of the product of
# the scales of input and weights: with scales in half that is 0 where a channel is dead, and its bias is lost.
FLOAT_BIASES = ["WeightBiasQuantization"]


class OnnxRuntimeEngine(Engine):
    """Runs the very ONNX file that was shipped.

    Args:
        file: the model, as `read_model` gives it.
        threads: of one inference; 0 leaves it to ONNX Runtime (all cores).

    Raises:
        ModelError: not an ONNX model, or not one of ours.
        EngineError: onnxruntime is not installed.
    """

    backend = "onnxruntime"

    def __init__(self, file: ModelFile, threads: int = 0) -> None:
        try:
            import onnxruntime  # noqa: PLC0415 - a Jetson with TensorRT does without it
        except ImportError as error:
            raise EngineError("onnxruntime is not installed", mend="pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong comes as an exception
        try:
            session = onnxruntime.InferenceSession(
                file.content, options, providers=["CPUExecutionProvider"], disabled_optimizers=FLOAT_BIASES
            )
            metadata = session.get_modelmeta().custom_metadata_map
        except Exception as error:
            # onnxruntime has no public base class for what a broken file makes it raise
            raise ModelError(
                f"is no model that ONNX Runtime can load ({_first_line(error)})", where=str(file.path), mend=OURS
            ) from error
        self.info = verify(file, _tensors(session.get_inputs()), _tensors(session.get_outputs()), metadata)
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}"
        self._session = session

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        if self._session is None:
            raise EngineError("the engine is closed")
        scores = np.empty(test.shape[:3], np.float32)
        for start in range(0, len(test), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            feed = {"test": test[part]}
            if self.info.kind == "pair":
                feed["template"] = template[part]
            try:
                scores[part] = self._session.run(["score"], feed)[0]
            except Exception as error:
                raise EngineError(f"ONNX Runtime failed: {_first_line(error)}") from error
        return scores

    def close(self) -> None:
        """Free the session."""
        self._session = None


def _tensors(arguments: list[Any]) -> list[Tensor]:
    names = {"tensor(float)": "float32"}
    return [
        Tensor(
            a.name,
            names.get(a.type, a.type.removeprefix("tensor(").removesuffix(")")),
            tuple(size if isinstance(size, int) else None for size in a.shape),
        )
        for a in arguments
    ]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
