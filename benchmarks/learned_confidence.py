"""Whether a confidence fitted on synthetic pairs ranks components better than the product's mean score.

python -m benchmarks.learned_confidence [--pairs N] [--jobs N]

The product inspects synthetic pairs of photographs never trained on. A logistic regression (scikit-learn) learns from
features of each component whether it meets an object; half of the pairs teach it, the other half judges it, and then
DeepPCB training pairs and the real connectors do, none of which it has seen.

What was inspected is kept outside the repository, by the digests of the model and of the code: the command goes on
where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.ablation import boxes_of
from benchmarks.inspected import digest_of_code
from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine import synthesis
from build_engine.datasets import AnnotatedPair, read_deeppcb, read_pairs
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX, ImageDetections, Scores, match, official
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.inspecting import inspect_pair
from build_engine.evaluation.inspector_pool import inspect_each, tracked
from build_engine.synthesis.pairs import Recipe as Mixture
from build_engine.synthesis.pairs import synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.data import VALIDATION
from edge_agent.engines import load_engine
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Component, Inspection
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe

NAME = "learned_confidence"
CLAIM = "a confidence fitted on synthetic pairs: kept only if AP rises by 0.001 on synthetic pairs it was not fitted on"
PAIRS, SYNTHETIC, SEED, AT_ONCE = 100, 120, 17, 20
REACH_PX = 3  # of the small shifts that a rim would vanish under
FEATURES = (
    *("mean score", "peak score", "log area", "width / length", "edges of the template there"),
    *("difference", "difference left after the best small shift", "the picture's own difference"),
)
Item = TypeVar("Item")
Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Ranked:
    """Components of a pair, and what would rank them.

    Attributes:
        found: boxes with the product's confidence, and what is there.
        features: float64 [N, FEATURES].
    """

    found: ImageDetections
    features: NDArray[np.float64]


def features(component: Component, score_map: Grey, threshold: float, test: Grey, template: Grey) -> list[float]:
    """FEATURES of one component, from the grey pictures float32 [H, W], the template registered."""
    x0, y0, x1, y1 = component.bbox_px
    height, width = test.shape
    place = np.s_[max(0, y0 - REACH_PX) : y1 + REACH_PX, max(0, x0 - REACH_PX) : x1 + REACH_PX]
    inside = score_map[place] >= threshold
    slopes = (cv2.Sobel(template[place], cv2.CV_32F, dx, 1 - dx, scale=0.25) for dx in (1, 0))
    gradient = cv2.magnitude(*slopes)
    left = []
    for dy in range(-REACH_PX, REACH_PX + 1):
        for dx in range(-REACH_PX, REACH_PX + 1):
            rows = np.clip(np.arange(place[0].start, min(place[0].stop, height)) + dy, 0, height - 1)
            columns = np.clip(np.arange(place[1].start, min(place[1].stop, width)) + dx, 0, width - 1)
            left.append(float(np.abs(test[place] - template[np.ix_(rows, columns)])[inside].mean()))
    return [
        component.mean_score,
        component.peak_score,
        float(np.log(component.area_px)),
        component.width_px / max(1.0, component.length_px),
        float(gradient[inside].mean()),
        left[len(left) // 2],
        min(left),
        float(np.abs(test[::4, ::4] - template[::4, ::4]).mean()),
    ]


def ranked(inspection: Inspection, test: NDArray[np.uint8], truth: NDArray[np.float64], threshold: float) -> Ranked:
    """What the product found on a pair, with features."""
    components = inspection.components
    boxes = np.array([component.bbox_px for component in components], np.float64).reshape(-1, 4)
    found = ImageDetections(boxes, np.array([component.score for component in components], np.float64), truth)
    if inspection.score_map is None or inspection.aligned_template is None or not components:
        return Ranked(found, np.zeros((len(components), len(FEATURES))))
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) for image in (test, inspection.aligned_template)]
    rows = [features(component, inspection.score_map, threshold, grey[0], grey[1]) for component in components]
    return Ranked(found, np.array(rows, np.float64))


def on_synthetic(inspector: Inspector, index: int, *, photographs: Path) -> Ranked:
    """A synthetic pair, misaligned by up to 5 px, through the product's own registration."""
    mixture = Mixture(size=480, swapped_share=0.0)
    sample = synthesise(Photographs(photographs, VALIDATION), mixture, SEED, index)
    truth = boxes_of(sample.mask.astype(np.float32), 0.5)[0]
    inspection = inspector.inspect(sample.test, Recipe("synthetic", "1", sample.template))
    return ranked(inspection, sample.test, truth, inspector.engine.info.threshold)


def on_real(inspector: Inspector, pair: AnnotatedPair) -> Ranked:
    """An annotated pair."""
    truth = np.array(pair.boxes, np.float64).reshape(-1, 4)
    inspection = inspect_pair(inspector, pair, None)
    return ranked(inspection, read_image(pair.test), truth, inspector.engine.info.threshold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of DeepPCB (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    info = load_engine(None, threads=1).info
    pcb = choose(read_deeppcb(data_folder("deeppcb")), arguments.pairs, SEED)
    connectors = read_pairs(data_folder("connectors"))
    drawn = partial(on_synthetic, photographs=data_folder("backgrounds"))
    kept = f"{digest_of_code(Path(__file__), Path(synthesis.__file__).parent)}-{info.digest[:12]}"
    synthetic = list(_inspected(f"{kept}-synthetic", drawn, range(SYNTHETIC), arguments.jobs))
    real = list(_inspected(f"{kept}-deeppcb-{arguments.pairs}", on_real, pcb, arguments.jobs))
    others = list(inspect_each(on_real, connectors, model=None, jobs=1))

    teach, judge = synthetic[::2], synthetic[1::2]
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    fitted.fit(*_examples(teach))
    lines = [f"{'':<32}{'components':>12}{'AP mean score':>15}{'AP fitted':>12}{'best F1':>10}{'fitted':>10}"]
    for name, images, margin in (
        ("synthetic, those that taught it", teach, 0.0),
        ("synthetic, the others", judge, 0.0),
        ("DeepPCB", real, ANNOTATION_MARGIN_PX),
        ("connectors", others, ANNOTATION_MARGIN_PX),
    ):
        before = official([image.found for image in images], margin)
        after = _refitted(fitted, images, margin)
        lines.append(
            f"{name:<32}{before.detected:>12}{before.average_precision:>15.4f}{after.average_precision:>12.4f}"
            f"{before.best_f1:>10.4f}{after.best_f1:>10.4f}"
        )
    weights = zip(FEATURES, fitted[-1].coef_[0], strict=True)
    lines += ["", "weights of the features, each scaled to unit variance:"]
    lines += [f"  {name:<44}{weight:+.2f}" for name, weight in weights]
    record(
        NAME,
        claim=CLAIM,
        data=f"{SYNTHETIC} synthetic pairs of 480 px, {len(pcb)} of 1000 DeepPCB training pairs, seed {SEED}; "
        "2 connectors",
        model=info,
        result="\n".join(lines),
        keep=arguments.pairs == PAIRS,
    )


def _inspected(
    name: str, work: Callable[[Inspector, Item], Ranked], items: Sequence[Item], jobs: int
) -> Iterator[Ranked]:
    """What `work` gives for each item: from the last time, or inspected now."""
    for start in range(0, len(items), AT_ONCE):
        file = pictures_folder(NAME) / f"{name}-{start}.json"
        if not file.exists():
            part = items[start : start + AT_ONCE]
            found = tracked(inspect_each(work, part, model=None, jobs=jobs), len(part), file.stem)
            rows = [[a.tolist() for a in (i.found.boxes, i.found.confidence, i.found.truth, i.features)] for i in found]
            file.write_text(json.dumps(rows), encoding="utf-8")
        for boxes, confidence, truth, rows in json.loads(file.read_text(encoding="utf-8")):
            image = ImageDetections(_array(boxes, 4), np.array(confidence, np.float64), _array(truth, 4))
            yield Ranked(image, _array(rows, len(FEATURES)))


def _array(rows: list[list[float]], columns: int) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(-1, columns)


def _examples(images: Sequence[Ranked]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    hits = np.concatenate([match(image.found) >= 0 for image in images])
    return np.concatenate([image.features for image in images]), hits


def _refitted(fitted: Pipeline, images: Sequence[Ranked], margin: float) -> Scores:
    """Figures of the same boxes, ranked by the fitted confidence."""
    other = []
    for image in images:
        found = image.found
        confidence = fitted.predict_proba(image.features)[:, 1] if len(found.boxes) else found.confidence
        other.append(ImageDetections(found.boxes, confidence, found.truth))
    return official(other, margin)


if __name__ == "__main__":
    run(main)
