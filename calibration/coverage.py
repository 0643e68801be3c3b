"""Do the calibrated ranges hold what the parts of this line cause? Layer by layer, on pairs they never saw.

An INT8 layer says 127 steps up to its range. Values beyond are cut off, and with a range far too wide few steps are
left for what matters. Both is what unrelated pictures do to a calibration.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx

from build_engine.precision.graph import convolutions, prepared
from build_engine.precision.ranges import ranges
from build_engine.precision.report import PrecisionReport
from edge_agent.engines.engine import Tiles

BEYOND = 1e-4  # share of a layer's values beyond its range, above which it is too narrow
MARGIN = 1.1  # and by so much at least the largest value exceeds it: a histogram's bins have a width
USED = 0.25  # of its range, below which a layer's is too wide


@dataclass(frozen=True)
class LayerCoverage:
    """The range of one INT8 convolution's input.

    Attributes:
        layer: name of the node.
        range: largest magnitude that it can say.
        needed: largest magnitude that the pairs of the check cause.
        beyond: share of their values beyond the range.
    """

    layer: str
    range: float
    needed: float
    beyond: float

    @property
    def trouble(self) -> str:
        """What is wrong with the range; "" if it fits."""
        if self.beyond > BEYOND and self.needed > MARGIN * self.range:
            cut_off = f"{self.beyond:.2%} of the values are cut off at {self.range:.3g}"
            return f"too narrow: {cut_off}, up to {self.needed:.3g} comes"
        if self.needed < USED * self.range:
            return f"too wide: it reaches {self.range:.3g}, no more than {self.needed:.3g} comes"
        return ""


def cover(
    model: Path, report: PrecisionReport, tiles: Iterable[tuple[Tiles, Tiles]], threads: int
) -> list[LayerCoverage]:
    """Compare the ranges of an INT8 model with what tiles cause in the FP32 model that it was made of.

    Raises:
        ModelError: the FP32 model cannot be read, or there are no tiles.
    """
    graph, _ = prepared(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prepared.onnx"
        onnx.save(graph, file)
        found = ranges(file, tiles, Path(folder), ("minmax",), threads)
    calibrated = {layer.name: layer.range for layer in report.layers if layer.range is not None}
    covered = []
    for layer in convolutions(graph):
        limit, entry = calibrated.get(layer.name), found.get(layer.activation)
        if limit is not None and entry is not None:
            needed = max(abs(entry.low), abs(entry.high))
            covered.append(LayerCoverage(layer.name, limit, needed, entry.clipped(limit)))
    return covered
