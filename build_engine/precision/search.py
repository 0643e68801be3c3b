"""Which layers cost accuracy in int8: each is tried alone, and the worst stay in float, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from build_engine.precision.graph import Convolution
from build_engine.precision.report import Difference
from edge_agent.engines.engine import Tiles
from edge_agent.engines.onnx_runtime import FLOAT_BIASES

Sample = Sequence[tuple[Tiles, Tiles]]
Scores = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Budget:
    """How much arithmetic may stay out of int8, for how much accuracy.

    Attributes:
        float_share: of the multiply-accumulates that may stay in float; 0 leaves everything in int8 and tries nothing.
        worth: a layer stays in float if it alone makes this share of the squared error of all layers, or more.
        tiles: pairs of tiles that each layer is tried on.
    """

    float_share: float = 0.1
    worth: float = 0.1
    tiles: int = 8


def polite(threads: int) -> Any:
    """Options of a session whose threads sleep while they wait: the agent may be inspecting on the same machine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options


class Judge:
    """Runs models on a few tiles and compares with the float32 model.

    Args:
        model: float32.
        sample: batches of (test, template).
        threshold: score at and above which a pixel is marked.
        threads: of ONNX Runtime; 0 is its own choice.
    """

    def __init__(self, model: onnx.ModelProto, sample: Sample, threshold: float, threads: int) -> None:
        self._sample, self._threshold, self._threads = sample, threshold, threads
        self._expected = self._scores(model)

    def difference(self, model: onnx.ModelProto) -> Difference:
        """Of a model's scores from the float32 model's."""
        squares = total = changed = marked = 0.0
        count = 0
        for scores, expected in zip(self._scores(model), self._expected, strict=True):
            gap = scores.astype(np.float64) - expected
            squares, total, count = squares + float((gap**2).sum()), total + float(np.abs(gap).sum()), count + gap.size
            marks = expected >= self._threshold
            changed, marked = changed + ((scores >= self._threshold) != marks).sum(), marked + marks.sum()
        return Difference(float(np.sqrt(squares / count)), total / count, int(changed), int(marked))

    def _scores(self, model: onnx.ModelProto) -> Scores:
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(
            content, polite(self._threads), providers=["CPUExecutionProvider"], disabled_optimizers=FLOAT_BIASES
        )
        names = [value.name for value in session.get_inputs()]
        feeds = ({"test": test, "template": template} for test, template in self._sample)
        return [session.run(["score"], {name: feed[name] for name in names})[0] for feed in feeds]


def left_out(layers: Sequence[Convolution], sensitivity: dict[str, float], budget: Budget, spent: int) -> set[str]:
    """Names of the layers that stay in float: those that cost the most for their arithmetic, while the budget lasts.

    Args:
        layers: that could be in int8.
        sensitivity: of each: rms difference of the scores with it alone in int8.
        budget: what may stay in float.
        spent: multiply-accumulates that stay in float anyway, such as those of transposed convolutions.
    """
    total = sum(layer.macs for layer in layers) + spent
    squares = {name: value**2 for name, value in sensitivity.items()}
    error = sum(squares.values())
    chosen: set[str] = set()
    for layer in sorted(layers, key=lambda layer: -squares[layer.name] / max(layer.macs, 1)):
        fits = spent + layer.macs <= budget.float_share * total
        if fits and squares[layer.name] > 0.0 and squares[layer.name] >= budget.worth * error:
            chosen.add(layer.name)
            spent += layer.macs
    return chosen
