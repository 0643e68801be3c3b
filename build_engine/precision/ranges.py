"""Ranges of the tensors that convolutions read, by ONNX Runtime's calibrators.

One pass over the calibration tiles records a histogram a tensor, with its extremes; all METHODS are computed of it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import HistogramCalibrater, HistogramCollector

from build_engine.precision.graph import convolutions
from build_engine.precision.search import polite
from edge_agent.engines.engine import Tiles
from edge_agent.errors import ModelError

METHODS = ("minmax", "entropy", "percentile")
PERCENTILE = 99.999  # of the values of a tensor that its range holds
BINS = 2048  # of the first tile's histogram; more are added as values beyond it come
ENTROPY_BINS, LEVELS = 512, 128  # the library's search for the least entropy takes the square of the bins
SHOWN_BINS = 64


@dataclass(frozen=True)
class Range:
    """What one tensor holds over all calibration tiles.

    Attributes:
        low, high: extremes.
        counts: histogram, int64 [B], of bins of one width, symmetric around 0 …
        edge: … the outer edge of the last.
        limits: of each of METHODS, the magnitude that 127 steps shall say.
    """

    low: float
    high: float
    counts: NDArray[np.int64]
    edge: float
    limits: dict[str, float]

    def clipped(self, limit: float) -> float:
        """Share of the values whose magnitude is above a limit, as far as the bins tell."""
        centres = np.abs(np.linspace(-self.edge, self.edge, 2 * len(self.counts) + 1)[1::2])
        return float(self.counts[centres > limit].sum() / max(1, self.counts.sum()))

    def shown(self) -> tuple[int, ...]:
        """The histogram in SHOWN_BINS bins from `low` to `high`, for people."""
        centres = np.linspace(-self.edge, self.edge, 2 * len(self.counts) + 1)[1::2]
        counts, _ = np.histogram(centres, SHOWN_BINS, (self.low, max(self.high, self.low + 1e-9)), weights=self.counts)
        return tuple(int(count) for count in counts)


def ranges(
    file: Path, batches: Iterable[tuple[Tiles, Tiles]], folder: Path, methods: Iterable[str], threads: int
) -> dict[str, Range]:
    """Ranges of what convolutions read, by the tensor's name.

    Args:
        file: a prepared float32 model.
        batches: (test, template), uint8 [N, H, W, 3] each; gone through once.
        folder: for temporary files.
        methods: those of METHODS that are wanted.
        threads: of ONNX Runtime; 0 is its own choice.

    Raises:
        ModelError: there was no tile.
    """
    calibrater = _ConvolutionInputs(file, folder / "calibrating.onnx", threads)
    single = [value.name for value in calibrater.infer_session.get_inputs()] == ["test"]
    count = 0
    for test, template in batches:
        for index in range(len(test)):  # one at a time: what all layers read of a batch is held in memory at once
            tile = slice(index, index + 1)
            calibrater.collect({"test": test[tile]} if single else {"test": test[tile], "template": template[tile]})
        count += len(test)
    if not count:
        raise ModelError("there is no calibration tile", mend="give pairs that can be registered")
    limits = {method: calibrater.limits(method) for method in methods}
    found = {}
    for name, entry in calibrater.histograms().items():
        counts, low, high, edge = entry[0], float(entry[2]), float(entry[3]), float(entry[4])
        found[name] = Range(low, high, counts, edge, {method: limits[method][name] for method in limits})
    return found


class _ConvolutionInputs(HistogramCalibrater):  # type: ignore[misc] # onnxruntime has no types
    """ONNX Runtime's calibrator on inputs of convolutions alone; it would look at their outputs too.

    It runs the optimised graph; the library itself would run the plain one.
    """

    def __init__(self, file: Path, augmented: Path, threads: int) -> None:
        super().__init__(file, None, str(augmented), method="percentile", num_bins=BINS, percentile=PERCENTILE)
        self.threads = threads
        self.augment_graph()
        self.create_inference_session()

    def select_tensors_to_calibrate(self, model: onnx.ModelProto) -> tuple[set[str], dict[str, onnx.ValueInfoProto]]:
        """Called by the library."""
        values = {value.name: value for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
        return {layer.activation for layer in convolutions(model) if layer.activation in values}, values

    def create_inference_session(self) -> None:
        """Called by the library, which would switch all optimisation off."""
        options = polite(self.threads)
        self.infer_session = onnxruntime.InferenceSession(
            self.augmented_model_path, options, providers=["CPUExecutionProvider"]
        )

    def collect(self, feed: dict[str, Tiles]) -> None:
        """Add what one batch gives to the histograms."""
        with contextlib.redirect_stdout(io.StringIO()):  # the library prints a line a batch
            self.collect_data(_Once(feed))

    def histograms(self) -> dict[str, Any]:
        """By tensor: counts, edges, lowest, highest, outer edge."""
        collected: dict[str, Any] = self.collector.get_histogram_dict()
        return collected

    def limits(self, method: str) -> dict[str, float]:
        """Magnitude that 127 steps shall say, by tensor."""
        if method == "minmax":
            return {name: max(abs(float(e[2])), abs(float(e[3]))) for name, e in self.histograms().items()}
        collector = HistogramCollector(method, False, BINS, LEVELS, PERCENTILE, "same")
        collector.histogram_dict = self.histograms()
        if method == "entropy":
            collector.histogram_dict = {name: _rebinned(entry) for name, entry in self.histograms().items()}
        with contextlib.redirect_stdout(io.StringIO()):
            computed = collector.compute_collection_result()
        return {name: max(abs(float(entry[0])), abs(float(entry[1]))) for name, entry in computed.items()}


def _rebinned(entry: Any) -> Any:
    counts, _, low, high, edge = entry
    centres = np.linspace(-edge, edge, 2 * len(counts) + 1)[1::2]
    fewer, edges = np.histogram(centres, ENTROPY_BINS, (-edge, edge), weights=counts)
    return fewer.astype(np.int64), edges.astype(np.float32), low, high, edge


class _Once:
    """One batch as ONNX Runtime's calibrators read it: they keep all that one reader gives in memory."""

    def __init__(self, feed: dict[str, Tiles]) -> None:
        self._feed: dict[str, Tiles] | None = feed

    def get_next(self) -> dict[str, Tiles] | None:
        feed, self._feed = self._feed, None
        return feed
