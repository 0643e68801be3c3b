"""What the smallest area of a component trades on synthetic pairs: objects found, false components.

python -m benchmarks.specks [--model ONNX]

The pairs are made of photographs that were kept out of training. The shipped area is the largest at which no more than
one per cent is lost of the objects that are found when every speck counts: a missed object costs more than a second
look.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.record import data_folder, record, run
from build_engine.synthesis.pairs import Recipe as Mixture
from build_engine.synthesis.pairs import synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.data import VALIDATION
from edge_agent.engines import load_engine
from edge_agent.inspection import tiles
from edge_agent.inspection.components import MIN_AREA_PX
from edge_agent.inspection.recipe import Recipe

NAME = "specks"
CLAIM = (
    f"components below {MIN_AREA_PX} px of area dropped: at most 1 % of the objects found is lost on synthetic pairs"
)
AREAS, PAIRS, SEED = (1, 4, 6, 8, 10, 12, 16), 200, 21
SMALLEST_PX = 16  # area of an object that counts as missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()

    engine = load_engine(arguments.model)
    photographs = Photographs(data_folder("backgrounds"), VALIDATION)
    mixture = Mixture(size=480, largest_shift=1.0, swapped_share=0.0)
    true: list[int] = []  # areas of components that lie on an object
    false: list[int] = []
    largest: list[int] = []  # of each object: the area of the largest component on it, 0 without one
    for index in range(PAIRS):
        sample = synthesise(photographs, mixture, SEED, index)
        pair = tiles.cut_pair(engine.info, sample.test, sample.template, Recipe.scales)
        threshold = engine.info.threshold
        inside = (tiles.look(engine, pair).merged(threshold) >= threshold).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
        areas = stats[:, cv2.CC_STAT_AREA]
        on_object = {int(label) for label in np.unique(labels[sample.mask > 0]) if label}
        for label in range(1, count):
            (true if label in on_object else false).append(int(areas[label]))
        objects, places, sizes, _ = cv2.connectedComponentsWithStats(sample.mask, connectivity=8)
        for place in range(1, objects):
            if sizes[place, cv2.CC_STAT_AREA] >= SMALLEST_PX:
                met = [int(areas[label]) for label in np.unique(labels[places == place]) if label]
                largest.append(max(met, default=0))
    lines = ["area from  recall  precision  false a pair"]
    for area in AREAS:
        recall = np.mean(np.array(largest) >= area)
        right, wrong = (int((np.array(some) >= area).sum()) for some in (true, false))
        lines.append(f"{area:6d} px  {recall:6.4f}  {right / max(1, right + wrong):9.4f}  {wrong / PAIRS:12.2f}")
    record(
        NAME,
        claim=CLAIM,
        data=f"{PAIRS} synthetic pairs of 480 px, seed {SEED}, photographs not trained on; {len(largest)} objects",
        model=engine.info,
        result="\n".join(lines),
        keep=arguments.model is None,
    )


if __name__ == "__main__":
    run(main)
