"""How much disturbance the shipped model stands: average precision on DeepPCB pairs, with and without registration.

python -m benchmarks.robustness [--model ONNX] [--pairs N] [--jobs N] [--picture PNG]

The test image of each pair is shifted, turned, blurred, brightened or made noisy. Judged is what lies at least MARGIN
px inside the picture, so that a moved picture loses nothing that counts; objects across that border count for nothing,
neither way. A part that the agent refuses to judge counts as one on which nothing was found.

What was measured is kept outside the repository, by the digests of the model and of the code: the command goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.inspected import digest_of_code
from benchmarks.record import REPOSITORY, data_folder, pictures_folder, record, run
from build_engine.datasets import AnnotatedPair, read_deeppcb
from build_engine.evaluation.detection import Boxes, ImageDetections, grown, iou, official
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.inspector_pool import inspect_each, tracked
from edge_agent.engines import load_engine
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Inspection, Verdict
from edge_agent.inspection.inspector import Inspector, conclude
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.registration import Registered

NAME = "robustness"
CLAIM = "average precision under shift, rotation, blur, noise and light, with registration and without it"
PAIRS, SEED, MARGIN = 20, 5, 48
PICTURE = REPOSITORY / "docs" / "images" / "robustness.png"
Image = NDArray[np.uint8]


def moved(image: Image, dx: float, turn_deg: float) -> tuple[Image, NDArray[np.float64]]:
    """The picture turned around its centre and shifted along x, and the 2 × 3 matrix of that."""
    height, width = image.shape[:2]
    matrix = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, 1.0), np.float64)
    matrix[:, 2] += dx, dx / 2
    seen = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(seen, np.uint8), matrix


def still(
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]], image: Image
) -> tuple[Image, NDArray[np.float64]]:
    """A change of the pixels alone."""
    seen = np.clip(change(image.astype(np.float32)), 0, 255).astype(np.uint8)
    return seen, np.eye(2, 3)


def _blur(sigma: float, image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image, np.float32)


def _noise(sigma: float, image: NDArray[np.float32]) -> NDArray[np.float32]:
    rng = np.random.default_rng(SEED)
    noise = np.float32(sigma) * rng.standard_normal((*image.shape[:2], 1), dtype=np.float32)
    return np.asarray(image + noise, np.float32)


def _light(offset: float, image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(image + np.float32(offset), np.float32)


def disturbed(kind: str, level: float, image: Image) -> tuple[Image, NDArray[np.float64]]:
    """One of KINDS at a level, and where each point of the picture has gone."""
    if kind == "shift":
        return moved(image, level, 0.0)
    if kind == "rotation":
        return moved(image, 0.0, level)
    change = {"blur": _blur, "noise": _noise, "brightness": _light}[kind]
    return still(partial(change, level), image)


LEVELS: dict[str, tuple[float, ...]] = {
    "shift": (3, 6, 12, 24),
    "rotation": (0.5, 1, 2, 4),
    "blur": (1.5, 3, 6),
    "noise": (30, 60, 120),
    "brightness": (-100, -50, 50, 100, 150),
}
UNITS = {
    "shift": "px along x, half of it along y",
    "rotation": "degrees",
    "blur": "px, sigma of a Gaussian",
    "noise": "grey levels, sigma",
    "brightness": "grey levels added",
}


@dataclass(frozen=True)
class Task:
    """A pair under one disturbance, with registration or without."""

    pair: AnnotatedPair
    kind: str
    level: float
    registered: bool


def judge(inspector: Inspector, task: Task) -> tuple[ImageDetections, bool]:
    """What was found of what counts, and whether the agent refused to judge."""
    template = read_image(task.pair.template)
    height, width = template.shape[:2]
    low, high = (MARGIN, MARGIN), (width - MARGIN, height - MARGIN)
    region = (low, (high[0], low[1]), high, (low[0], high[1]))
    recipe = Recipe("robustness", "1", template, region=tuple((float(x), float(y)) for x, y in region))
    image, matrix = disturbed(task.kind, task.level, read_image(task.pair.test))
    inspection = inspector.inspect(image, recipe) if task.registered else _unregistered(inspector, image, recipe)
    boxes = np.array(task.pair.boxes, np.float64).reshape(-1, 4)
    whole = (boxes[:, :2] >= low).all(axis=1) & (boxes[:, 2:] <= high).all(axis=1)
    touching = (boxes[:, 2:] > low).all(axis=1) & (boxes[:, :2] < high).all(axis=1)
    found = ImageDetections(
        np.array([component.bbox_px for component in inspection.components], np.float64).reshape(-1, 4),
        np.array([component.score for component in inspection.components], np.float64),
        _carried(boxes[whole], matrix),
    )
    return _without(found, _carried(boxes[touching & ~whole], matrix)), inspection.verdict is Verdict.ERROR


def _unregistered(inspector: Inspector, image: Image, recipe: Recipe) -> Inspection:
    """As the agent would judge if it trusted the fixture: the template stays where it is."""
    height, width = image.shape[:2]
    outside = np.ones((height, width), np.bool_)
    outside[MARGIN : height - MARGIN, MARGIN : width - MARGIN] = False
    whole = Registered(image, recipe, (0, 0, width, height), image, recipe.template, (), outside, "", {})
    seen = inspector.look(whole)
    return seen if isinstance(seen, Inspection) else conclude(seen)


def _carried(boxes: Boxes, matrix: NDArray[np.float64]) -> Boxes:
    """Boxes of the same size around where their centres have gone."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    shift = np.tile(centre @ matrix[:, :2].T + matrix[:, 2] - centre, 2)
    return np.asarray(boxes + shift, np.float64)


def _without(image: ImageDetections, ignored: Boxes) -> ImageDetections:
    """Detections that lie on an ignored box, and on no other, are taken out."""
    boxes = grown(image).boxes
    on_ignored = (iou(boxes, ignored) > 0).any(axis=1)
    kept = ~on_ignored | (iou(boxes, image.truth) > 0).any(axis=1)
    return ImageDetections(image.boxes[kept], image.confidence[kept], image.truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    arguments = parser.parse_args()

    info = load_engine(arguments.model, threads=1).info
    pairs = choose(read_deeppcb(data_folder("deeppcb")), arguments.pairs, SEED)
    conditions = [("shift", 0.0)] + [(kind, level) for kind, levels in LEVELS.items() for level in levels]
    folder = pictures_folder(NAME) / f"{digest_of_code(Path(__file__))}-{info.digest[:12]}-{len(pairs)}"
    folder.mkdir(exist_ok=True)
    results: dict[tuple[str, float, bool], tuple[float, int]] = {}
    for kind, level in conditions:
        for registered in (True, False):
            file = folder / f"{kind}-{level:g}-{'registered' if registered else 'as-it-lies'}.json"
            if not file.exists():
                tasks = [Task(pair, kind, level, registered) for pair in pairs]
                done = inspect_each(judge, tasks, model=arguments.model, jobs=arguments.jobs)
                outcomes = list(tracked(done, len(tasks), file.stem))
                precision = official([image for image, _ in outcomes]).average_precision
                file.write_text(json.dumps([precision, sum(refused for _, refused in outcomes)]), encoding="utf-8")
            precision, refused = json.loads(file.read_text(encoding="utf-8"))
            results[kind, level, registered] = precision, refused
    for kind in LEVELS:  # all begin with the same undisturbed pairs
        for registered in (True, False):
            results[kind, 0.0, registered] = results["shift", 0.0, registered]
    record(
        NAME,
        claim=CLAIM,
        data=f"{len(pairs)} of 1000 DeepPCB training pairs drawn by seed {SEED}, the inner part from {MARGIN} px on",
        model=info,
        result=_table(results),
        keep=arguments.model is None and len(pairs) == PAIRS,
    )
    _draw(results, arguments.picture)


def _table(results: dict[tuple[str, float, bool], tuple[float, int]]) -> str:
    lines = ["disturbance   level   AP registered   refused   AP without registration"]
    for kind, levels in LEVELS.items():
        for level in sorted((0.0, *levels)):
            with_it, without = results[kind, level, True], results[kind, level, False]
            lines.append(f"{kind:<11}{level:>8g}{with_it[0]:>16.3f}{with_it[1]:>10}{without[0]:>26.3f}")
    units = "; ".join(f"{kind}: {unit}" for kind, unit in UNITS.items())
    return "\n".join([*lines, "", units, "refused: pairs that the agent does not judge, of all; nothing found on them"])


def _draw(results: dict[tuple[str, float, bool], tuple[float, int]], file: Path) -> None:
    figure = Figure(figsize=(15, 3.4), dpi=100, layout="constrained")
    for axes, (kind, levels) in zip(figure.subplots(1, len(LEVELS), sharey=True), LEVELS.items(), strict=True):
        for registered, label, colour, style in (
            (True, "with registration", "#1f5fa8", "o-"),
            (False, "without", "#c03020", "s--"),
        ):
            steps = sorted((0.0, *levels))
            values = [results[kind, level, registered][0] for level in steps]
            axes.plot(steps, values, style, color=colour, label=label, lw=2, ms=5)
        axes.set(title=kind, xlabel=UNITS[kind], ylim=(0, 1.03))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("average precision")
    figure.axes[-1].legend(loc="lower left")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


if __name__ == "__main__":
    run(main)
