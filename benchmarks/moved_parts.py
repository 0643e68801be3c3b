"""Verdicts of parts that were put down elsewhere: shifted by 15 px and turned by 3 degrees under the camera.

python -m benchmarks.moved_parts [--model ONNX] [--parts N]

The real connectors, and simulated parts of four kinds. Each test picture is inspected as it is and moved eight ways.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.record import data_folder, record, run
from benchmarks.simulated_parts import CONNECTORS, SEED, SHARE
from build_engine.datasets import read_pairs
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.engines import load_engine
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe, region_polygon

NAME = "moved_parts"
CLAIM = "test shifted by 15 px and turned by 3 degrees: verdicts unchanged; what is found moves with the part"
SHIFT_PX, TURN_DEG = 15.0, 3.0
PARTS = 40
NEAR_PX = 8.0  # between where an object was found, moved, and where it is found on the moved part


@dataclass(frozen=True)
class Case:
    """A part under the camera, and what it should look like."""

    name: str
    recipe: Recipe
    image: NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--parts", type=int, default=PARTS, help="simulated ones")
    arguments = parser.parse_args()

    cv2.setNumThreads(2)
    engine = load_engine(arguments.model, threads=2)
    inspector = Inspector(engine)
    lines, lost = [], 0
    verdicts: Counter[tuple[Verdict, Verdict]] = Counter()
    for case in (*_real(), *_simulated(arguments.parts)):
        before = inspector.inspect(case.image, case.recipe)
        for matrix, how in _motions(case.recipe):
            size = case.image.shape[1], case.image.shape[0]
            moved = cv2.warpAffine(case.image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            after = inspector.inspect(np.asarray(moved, np.uint8), case.recipe)
            gone = _gone(before, after, matrix)
            verdicts[before.verdict, after.verdict] += 1
            lost += len(gone)
            if after.verdict is not before.verdict or gone:
                why = "; ".join(reason.text for reason in after.reasons)
                at = f", not found again at {gone}" if gone else ""
                lines.append(f"{case.name}, {how}: {before.verdict.value} -> {after.verdict.value} {why}{at}")
    record(
        NAME,
        claim=CLAIM,
        data=f"connectors (wangyuecqupt/Zero-shotanomaly-detector), {arguments.parts} simulated parts of "
        f"{', '.join(CONNECTORS)}, seed {SEED}; 8 motions each",
        model=engine.info,
        result="\n".join(
            [
                *(
                    f"{verdict.value + ' stayed ' + verdict.value:<22}{_stayed(verdicts, verdict)}"
                    for verdict in Verdict
                ),
                f"{'not found again':<22}{lost}, of what was as long as two limits",
                *([""] if lines else []),
                *lines,
            ]
        ),
        keep=arguments.model is None and arguments.parts == PARTS,
    )


def _real() -> Iterator[Case]:
    for pair in read_pairs(data_folder("connectors")):
        recipe = Recipe(pair.name, "1", read_image(pair.template), pair.region)
        yield Case(pair.name, recipe, read_image(pair.test))


def _simulated(parts: int) -> Iterator[Case]:
    for number in range(parts):
        kind = CONNECTORS[number % len(CONNECTORS)]
        camera = SimulatedCamera(kind, seed=SEED, share=SHARE)
        recipe = Recipe(kind, "1", camera.template(), tuple(camera.region()), camera.mm_per_px)
        yield Case(f"{kind} part {number}", recipe, camera.part(number)[0])


def _motions(recipe: Recipe) -> Iterator[tuple[NDArray[np.float64], str]]:
    """About the middle of the region: every sign of shift along x, shift along y and turn."""
    middle = region_polygon(recipe).mean(axis=0)
    for x in (-SHIFT_PX, SHIFT_PX):
        for y in (-SHIFT_PX, SHIFT_PX):
            for turn in (-TURN_DEG, TURN_DEG):
                matrix = np.asarray(cv2.getRotationMatrix2D(tuple(middle), turn, 1.0), np.float64)
                matrix[:, 2] += (x, y)
                yield matrix, f"by {x:+g}, {y:+g} px and {turn:+g} degrees"


def _stayed(verdicts: Counter[tuple[Verdict, Verdict]], verdict: Verdict) -> str:
    of = sum(count for (before, _), count in verdicts.items() if before is verdict)
    return f"{verdicts[verdict, verdict]} of {of}"


def _gone(before: Inspection, after: Inspection, matrix: NDArray[np.float64]) -> list[str]:
    """Objects that made the part NG, of those that are as long as two limits, and are not found on the moved part."""
    gone = []
    for component in before.components:
        if not component.rejected or component.length_px < 8:
            continue
        x, y = matrix @ [*np.mean(component.box_px, axis=0), 1.0]
        reach = NEAR_PX + component.length_px / 2
        if not any(np.abs(np.mean(c.box_px, axis=0) - (x, y)).max() <= reach for c in after.components):
            gone.append(f"{x:.0f}, {y:.0f}")
    return gone


if __name__ == "__main__":
    run(main)
