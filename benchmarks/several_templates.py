"""Several templates a recipe, and a threshold from clean parts, on photos of real parts.

python -m benchmarks.several_templates [--templates 1 4 8] [--jobs N]

Bottles of MVTec AD, each another bottle: they differ by nature, as parts of a line do. For each number of templates
`calibrate threshold` (its functions) chooses threshold and limit, from clean parts alone and with every second bad one;
parts that it has not seen tell whether the wished rate of false rejects came true, and how many of the bad ones are
found. Then the two real connectors with photos of the same unit as further templates, disturbed: whether the lowest
score over templates hides an object. Last what further templates cost.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.connectors import touches
from benchmarks.record import data_folder, record, run
from benchmarks.robustness import disturbed
from build_engine.datasets import read_pairs
from build_engine.evaluation.inspecting import recipe_of
from build_engine.evaluation.inspector_pool import inspect_each, tracked
from calibration.threshold.choice import choose, rejected
from calibration.threshold.measurement import THRESHOLDS, measure
from edge_agent.engines import load_engine
from edge_agent.images import read_image
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Limits, Recipe

NAME = "several_templates"
CLAIM = "more templates, fewer false rejects of parts that differ by nature; what they hide, and what they cost"
TEMPLATES = (1, 4, 8)
CALIBRATED_ON, CHECKED_ON = 40, 40  # clean bottles of the training folder; the test folder's are checked too
WISHED = 0.05
CHUNK = 5
TIMED = 12  # unseen clean bottles
DISTURBANCES = (("shift", 3.0), ("rotation", 0.5), ("blur", 1.5), ("brightness", 20.0))
Lengths = NDArray[np.float64]


def lengths_of(inspector: Inspector, photos: Sequence[Path], *, templates: tuple[Path, ...]) -> Lengths:
    """The longest component [photos, thresholds] in px; of a photo that is refused infinity: it is not OK either."""
    measured = measure(inspector, _recipe(templates), photos, THRESHOLDS, {}, lambda _: None)
    rows = dict(zip(measured.photos, measured.lengths, strict=True))
    return np.stack([rows.get(photo, np.full(len(THRESHOLDS), np.inf)) for photo in photos])


@lru_cache(maxsize=1)
def _recipe(templates: tuple[Path, ...]) -> Recipe:
    first, *others = (read_image(path) for path in templates)
    return Recipe("bottle", "1", first, others=tuple(others))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, nargs="+", default=list(TEMPLATES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    info = load_engine(None, threads=1).info
    lines = [
        *_bottles(arguments.templates, arguments.jobs, info.threshold),
        "",
        *_connectors(),
        "",
        *_cost(arguments.templates),
    ]
    record(
        NAME,
        claim=CLAIM,
        data="bottle of MVTec AD at 256 x 256 px; connectors (wangyuecqupt/Zero-shotanomaly-detector)",
        model=info,
        result="\n".join(lines),
        keep=tuple(arguments.templates) == TEMPLATES,
    )


def _bottles(numbers: Sequence[int], jobs: int, shipped: float) -> list[str]:
    folder = data_folder("mvtec_256") / "bottle"
    taught, left = _trained_on(numbers)
    kinds = sorted(path for path in (folder / "test").iterdir() if path.name != "good")
    groups = {
        "calibrated on": left[:CALIBRATED_ON],
        "clean": [*left[CALIBRATED_ON : CALIBRATED_ON + CHECKED_ON], *sorted((folder / "test" / "good").iterdir())],
        **{kind.name: sorted(kind.iterdir()) for kind in kinds},
    }
    photos = [photo for group in groups.values() for photo in group]
    lines = [
        f"bottles: threshold and limit from {CALIBRATED_ON} clean ones, wished: {WISHED:.0%} of false rejects",
        f"{'templates  setting':<23}threshold  limit, px  " + "".join(f"{name:<19}" for name in groups),
    ]
    for number in numbers:
        chunks = [photos[place : place + CHUNK] for place in range(0, len(photos), CHUNK)]
        work = partial(lengths_of, templates=tuple(taught[:number]))
        found = tracked(inspect_each(work, chunks, model=None, jobs=jobs), len(chunks), f"{number} templates")
        rows = dict(zip(photos, np.concatenate(list(found)), strict=True))
        lengths = {name: np.array([rows[photo] for photo in group]) for name, group in groups.items()}
        none = np.zeros((0, len(THRESHOLDS)))
        present = shipped, Limits().min_length_px
        given = np.concatenate([lengths[kind.name][::2] for kind in kinds])
        unseen = {name: rows[1::2] if name in {kind.name for kind in kinds} else rows for name, rows in lengths.items()}
        alone, with_bad = (
            choose(lengths["calibrated on"], bad, THRESHOLDS, present, WISHED, 1.0) for bad in (none, given)
        )
        lines += [
            _row(number, "shipped", present, lengths),
            _row(number, "clean alone", (alone.threshold, alone.limit), lengths),
            _row(number, "with bad", (with_bad.threshold, with_bad.limit), unseen),
        ]
    return [
        *lines,
        "photos called NG or refused of all, and the 95 % interval of the rate; all but 'calibrated on' are unseen:",
        "'with bad' was given every second bad bottle, and is judged on the others",
    ]


def _trained_on(numbers: Sequence[int]) -> tuple[list[Path], list[Path]]:
    """Clean bottles that teach, and those that are left."""
    clean = sorted((data_folder("mvtec_256") / "bottle" / "train" / "good").iterdir())
    return clean[: max(numbers)], clean[max(numbers) :]


def _row(number: int, name: str, setting: tuple[float, float], lengths: dict[str, Lengths]) -> str:
    threshold, limit = setting
    column = THRESHOLDS.index(threshold)
    line = f"{number:>9}  {name:<11}{threshold:>10.2f}{limit:>11g}  "
    for rows in lengths.values():
        rate = rejected(rows[:, column], limit)
        low, high = rate.interval
        line += f"{f'{rate.count}/{rate.of} ({low:.0%}-{high:.0%})':<19}"
    return line.rstrip()


def _connectors() -> list[str]:
    inspector = Inspector(load_engine(None, threads=1))
    cv2.setNumThreads(1)
    lines = ["connectors: one photo as template, and with it four disturbed copies of it; threshold as shipped"]
    for pair in read_pairs(data_folder("connectors")):
        recipe, test = recipe_of(pair, None), read_image(pair.test)
        others = tuple(disturbed(kind, level, recipe.template)[0] for kind, level in DISTURBANCES)
        for taught in (recipe, replace(recipe, others=others)):
            components = inspector.inspect(test, taught).components
            hits = sum(any(touches(component, box) for component in components) for box in pair.boxes)
            false = sum(not any(touches(component, box) for box in pair.boxes) for component in components)
            lines.append(
                f"{pair.name:<24}{1 + len(taught.others)} template(s): {hits} of {len(pair.boxes)} objects found, "
                f"{false} other components"
            )
    return lines


def _cost(numbers: Sequence[int]) -> list[str]:
    """Time of the processor that inspecting takes, on one thread; a bottle is inspected with each recipe in turn."""
    inspector = Inspector(load_engine(None, threads=1))
    taught, left = _trained_on(numbers)
    photos = [read_image(path) for path in left[CALIBRATED_ON : CALIBRATED_ON + TIMED]]
    recipes = [_recipe(tuple(taught[:number])) for number in numbers]
    times = np.array([[_seconds(inspector, photo, recipe) for recipe in recipes] for photo in (photos[0], *photos)])
    times = times[1:]  # the first round warms up
    lines = [f"cost: an inspection of {len(photos)} clean bottles at the shipped threshold"]
    for column, number in enumerate(numbers):
        seconds, ratios = times[:, column], times[:, column] / times[:, 0]
        lines.append(
            f"{number} templates: {1000 * np.median(seconds):.0f} ms in the median, {np.median(ratios):.2f} times that "
            f"of {numbers[0]} ({ratios.min():.2f} to {ratios.max():.2f})"
        )
    return lines


def _seconds(inspector: Inspector, photo: NDArray[np.uint8], recipe: Recipe) -> float:
    start = time.process_time()
    inspector.inspect(photo, recipe)
    return time.process_time() - start


if __name__ == "__main__":
    run(main)
