"""What the score threshold trades on synthetic pairs: objects found, false components, lengths.

python -m benchmarks.threshold [--model ONNX] [--pairs N]

The pairs are made of photographs that were kept out of training; no connector and no DeepPCB picture among them.
The shipped 0.3 is the lowest threshold at which lengths are right in the median; F1 is 0.03 higher at 0.8, but a missed
object costs more than a second look.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.record import data_folder, record, run
from build_engine.synthesis.pairs import Recipe, Sample, synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.data import VALIDATION
from edge_agent.engines import load_engine
from edge_agent.inspection import tiles
from edge_agent.inspection.components import find_components

NAME = "threshold"
CLAIM = "threshold 0.3 on held-out synthetic pairs: lengths right in the median, recall within 0.03 of that at 0.1"
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
PAIRS, SEED = 200, 7
SCALES = (1.0, 0.5)
SMALLEST_PX = 12  # area of an object that counts as missed
NEAR_PX = 3  # a component so close to an object is no false one
MEASURED_PX = 30  # area of an object whose length is compared


@dataclass
class Tally:
    """Objects found of all, false components, and by how many pixels objects came out too long."""

    found: int = 0
    objects: int = 0
    false: int = 0
    too_long: list[float] = field(default_factory=list)

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision."""
        return 2 * self.found / max(1, self.found + self.objects + self.false)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    arguments = parser.parse_args()

    engine = load_engine(arguments.model)
    photographs = Photographs(data_folder("backgrounds"), VALIDATION)
    # As the product meets pairs: registered, and the template is clean.
    recipe = Recipe(size=480, largest_shift=1.0, swapped_share=0.0)
    tallies = {threshold: Tally() for threshold in THRESHOLDS}
    for index in range(arguments.pairs):
        sample = synthesise(photographs, recipe, SEED, index)
        scores = tiles.look(engine, tiles.cut_pair(engine.info, sample.test, sample.template, SCALES))
        for threshold, tally in tallies.items():
            score = scores.merged(threshold)
            _count(tally, sample, score, threshold)
    lines = ["threshold  recall  precision      F1  too long, px: 25 %   50 %   75 %"]
    for threshold, tally in tallies.items():
        precision = tally.found / max(1, tally.found + tally.false)
        lines.append(
            f"{threshold:9.2f}  {tally.found / tally.objects:6.3f}  {precision:9.3f}  {tally.f1:.4f}"
            + _quartiles(tally)
        )
    record(
        NAME,
        claim=CLAIM,
        data=f"{arguments.pairs} synthetic pairs of 480 x 480 px, seed {SEED}, photographs not trained on",
        model=engine.info,
        result="\n".join(lines),
        keep=arguments.model is None and arguments.pairs == PAIRS,
    )


def _count(tally: Tally, sample: Sample, score: NDArray[np.float32], threshold: float) -> None:
    near = cv2.dilate(sample.mask, np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), np.uint8))
    found, _ = find_components(score, threshold)
    for component in found:
        x0, y0, x1, y1 = component.bbox_px
        tally.false += not ((near[y0:y1, x0:x1] > 0) & (score[y0:y1, x0:x1] >= threshold)).any()
    for truth in find_components(sample.mask.astype(np.float32), 0.5)[0]:
        if truth.area_px < SMALLEST_PX:
            continue
        x0, y0, x1, y1 = truth.bbox_px
        tally.objects += 1
        tally.found += bool((score[y0:y1, x0:x1] * sample.mask[y0:y1, x0:x1] >= threshold).any())
        touching = [component for component in found if _overlap(component.bbox_px, truth.bbox_px)]
        if truth.area_px >= MEASURED_PX and len(touching) == 1:
            tally.too_long.append(touching[0].length_px - truth.length_px)


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _quartiles(tally: Tally) -> str:
    low, middle, high = np.percentile(tally.too_long, (25, 50, 75))
    return f"                {low:+5.2f}  {middle:+5.2f}  {high:+5.2f}"


if __name__ == "__main__":
    run(main)
