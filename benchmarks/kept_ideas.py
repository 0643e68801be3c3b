"""What each kept idea beside training is worth: figures as shipped, and with one idea left out or another put in.

python -m benchmarks.kept_ideas [--run FOLDER] [--pairs N] [--jobs N]

On DeepPCB training pairs by the official protocol, on synthetic pairs of photographs never trained on, which have what
DeepPCB has not: grey levels, surfaces that differ; and on such pairs with one or two objects of 150 to 350 px, pixel by
pixel. With the folder of the run that trained the shipped network (`--run runs/compact`) also the weights of its last
step, without their moving average.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.datasets import AnnotatedPair, read_deeppcb
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX, Boxes, ImageDetections, official
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.inspector_pool import inspect_each, tracked
from build_engine.onnx_export import export
from build_engine.synthesis import shapes
from build_engine.synthesis.pairs import RECIPES, synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.data import VALIDATION
from edge_agent.engines import load_engine
from edge_agent.engines.engine import Engine
from edge_agent.images import read_image
from edge_agent.inspection import components, tiles
from edge_agent.inspection.alignment import Aligner, Alignment, warp
from edge_agent.inspection.components import MIN_AREA_PX, find_components
from edge_agent.inspection.inspection import Component
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe

NAME = "kept_ideas"
CLAIM = "what registration, its local shifts, two scales, their merging, the ranking, specks and flips are worth"
PAIRS, SEED = 100, 11
LARGE_PX = (150, 350)
SMALL_PX = 60  # of area; where smaller ones were ranked lower
Image = NDArray[np.uint8]
Map = NDArray[np.float32]
Merge = Callable[[Sequence[Map], tuple[int, int], float], Map]
Rank = Callable[[Component], float]

SYNTHETIC = replace(RECIPES["default"], size=480, largest_shift=1.0, swapped_share=0.0)
SHIPPED = "as shipped"
ON_REAL = {
    "no registration": "the template stays where it is",
    "no local shifts": "shift, turn and zoom alone",
}
RANKED: dict[str, tuple[Rank, str]] = {
    "small ones ranked lower": (
        lambda component: component.mean_score * min(1.0, (component.area_px / SMALL_PX) ** 0.25),
        f"those below {SMALL_PX} px of area, by the fourth root",
    ),
    "ranked by peak score": (lambda component: component.peak_score, ""),
}
ALONE = "last weights, not averaged"


def _filled(maps: Sequence[Map], size: tuple[int, int], threshold: float) -> Map:
    return tiles.merge_scales(maps, Recipe.scales, size, threshold)


def _native(maps: Sequence[Map], size: tuple[int, int], threshold: float) -> Map:
    return tiles.merge_scales(maps[:1], Recipe.scales[:1], size, threshold)


def _highest(maps: Sequence[Map], size: tuple[int, int], _: float) -> Map:
    return np.asarray(np.max(_enlarged(maps, size), axis=0), np.float32)


def _mean(maps: Sequence[Map], size: tuple[int, int], _: float) -> Map:
    return np.asarray(np.mean(_enlarged(maps, size), axis=0), np.float32)


def _enlarged(maps: Sequence[Map], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.stack([np.asarray(cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR)) for one in maps])


MERGES: dict[str, tuple[Merge, str]] = {
    "native scale alone": (_native, "no look at half the resolution"),
    "highest of both scales": (_highest, "instead of filling what the native one has found"),
    "mean of both scales": (_mean, "likewise"),
}
FLIPS = {"flips": "mean over four mirrored looks: four times the arithmetic"}
SPECKS = {
    "specks kept": f"components below {MIN_AREA_PX} px of area too",
    "specks kept and wanted": f"synthetic pairs: objects below {MIN_AREA_PX} px of area are to be found as well",
    "specks dropped but wanted": "as shipped, judged like the row before",
}
Found = dict[str, ImageDetections]
Pixels = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Looks:
    """Score maps of one pair, one a scale, and what is to be found on it; on synthetic pairs also with specks."""

    size: tuple[int, int]
    truth: Boxes
    with_specks: Boxes | None
    threshold: float
    outside: NDArray[np.bool_]

    def found(
        self, maps: Sequence[Map], merge: Merge = _filled, rank: Rank = lambda component: component.score
    ) -> ImageDetections:
        """The product's components of the merged maps, with what ranks them."""
        score = np.where(self.outside, np.float32(0), merge(maps, self.size, self.threshold))
        found, _ = find_components(score, self.threshold)
        boxes = np.array([component.bbox_px for component in found], np.float64).reshape(-1, 4)
        return ImageDetections(boxes, np.array([rank(c) for c in found], np.float64), self.truth)

    def variants(self, engine: Engine, test: Image, template: Image) -> Found:
        """All that needs no other registration."""
        maps = _maps(engine, test, template)
        mirrored = [_maps(engine, test, template, flip) for flip in (0, 1, -1)]
        flipped = [np.mean(same_scale, axis=0) for same_scale in zip(maps, *mirrored, strict=True)]
        return {
            SHIPPED: self.found(maps),
            **{name: self.found(maps, merge) for name, (merge, _) in MERGES.items()},
            **{name: self.found(maps, rank=rank) for name, (rank, _) in RANKED.items()},
            "flips": self.found(flipped),
            **self._with_specks(maps),
        }

    def _with_specks(self, maps: Sequence[Map]) -> Found:
        """The rows of SPECKS."""
        dropped = self.found(maps)
        with _specks_kept():
            kept = self.found(maps)
        found = {"specks kept": kept}
        if self.with_specks is not None:
            found["specks kept and wanted"] = replace(kept, truth=self.with_specks)
            found["specks dropped but wanted"] = replace(dropped, truth=self.with_specks)
        return found


def _specks_kept() -> AbstractContextManager[object]:
    """The product's smallest area is a constant, no setting: nobody on a line should have to choose it."""
    return patch.object(components, "MIN_AREA_PX", 1)


def _maps(engine: Engine, test: Image, template: Image, flip: int | None = None) -> list[Map]:
    """One score map a scale; of pictures mirrored by OpenCV's code `flip`, mirrored back."""
    if flip is not None:
        test, template = (np.asarray(cv2.flip(image, flip), np.uint8) for image in (test, template))
    seen = tiles.look(engine, tiles.cut_pair(engine.info, test, template, Recipe.scales))
    ends = np.cumsum([layout.count for layout in seen.layouts])[:-1]
    maps = [tiles.join(part, layout) for part, layout in zip(np.split(seen.scores, ends), seen.layouts, strict=True)]
    return maps if flip is None else [np.asarray(cv2.flip(one, flip), np.float32) for one in maps]


def on_real(inspector: Inspector, pair: AnnotatedPair, *, shipped_alone: bool) -> Found:
    """A DeepPCB pair in all variants, or as shipped alone."""
    engine = inspector.engine
    test, template = read_image(pair.test), read_image(pair.template)
    height, width = test.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    best = Aligner(template, corners).align(test)
    truth = np.array(pair.boxes, np.float64).reshape(-1, 4)

    def laid(alignment: Alignment) -> tuple[Looks, Image]:
        seen, known = warp(template, alignment, (0, 0, width, height))
        looks = Looks((height, width), truth, None, engine.info.threshold, ~known)
        return looks, np.where(known[..., None], seen, test)

    looks, registered = laid(best)
    if shipped_alone:
        return {SHIPPED: looks.found(_maps(engine, test, registered))}
    found = looks.variants(engine, test, registered)
    for name, alignment in (
        ("no registration", Alignment(np.eye(3), 0.0)),
        ("no local shifts", replace(best, field=None)),
    ):
        looks, registered = laid(alignment)
        found[name] = looks.found(_maps(engine, test, registered))
    return found


def on_synthetic(inspector: Inspector, index: int, *, photographs: Path, shipped_alone: bool) -> Found:
    """A synthetic pair, registered to 1 px, as the product meets pairs."""
    sample = synthesise(Photographs(photographs, VALIDATION), SYNTHETIC, SEED, index)
    with _specks_kept():
        with_specks = _objects(sample.mask)
    looks = Looks(
        sample.mask.shape,
        _objects(sample.mask),
        with_specks,
        inspector.engine.info.threshold,
        np.zeros(sample.mask.shape, np.bool_),
    )
    if shipped_alone:
        return {SHIPPED: looks.found(_maps(inspector.engine, sample.test, sample.template))}
    return looks.variants(inspector.engine, sample.test, sample.template)


def _objects(mask: Image) -> Boxes:
    found, _ = find_components(mask.astype(np.float32), 0.5)
    return np.array([component.bbox_px for component in found], np.float64).reshape(-1, 4)


def on_large(inspector: Inspector, index: int, *, photographs: Path) -> Pixels:
    """Of large objects, by how scales are merged: share of their pixels that is found; found and there, of either."""
    shape = (lambda rng, _: shapes.blob(rng, rng.uniform(*LARGE_PX)), 1.0)
    recipe = replace(SYNTHETIC, clean_share=0.0, differences=(1, 2), shapes=(shape,))
    sample = synthesise(Photographs(photographs, VALIDATION), recipe, SEED, index)
    there, threshold = sample.mask > 0, inspector.engine.info.threshold
    maps = _maps(inspector.engine, sample.test, sample.template)
    pixels = {}
    for name, merge in ((SHIPPED, _filled), *((name, merge) for name, (merge, _) in MERGES.items())):
        found = merge(maps, sample.mask.shape, threshold) >= threshold
        both = float((found & there).sum())
        pixels[name] = (both / max(1, there.sum()), both / max(1, (found | there).sum()))
    return pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of the training run of the shipped network")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of each kind (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    pairs = choose(read_deeppcb(data_folder("deeppcb")), arguments.pairs, SEED)

    def judged(model: Path | None, *, shipped_alone: bool) -> tuple[list[Found], list[Found]]:
        on_pair = partial(on_real, shipped_alone=shipped_alone)
        drawn = partial(on_synthetic, photographs=data_folder("backgrounds"), shipped_alone=shipped_alone)
        real = inspect_each(on_pair, pairs, model=model, jobs=arguments.jobs)
        synthetic = inspect_each(drawn, range(arguments.pairs), model=model, jobs=arguments.jobs)
        return list(tracked(real, len(pairs), "DeepPCB")), list(tracked(synthetic, arguments.pairs, "synthetic"))

    real, synthetic = judged(None, shipped_alone=False)
    drawn = partial(on_large, photographs=data_folder("backgrounds"))
    large = list(inspect_each(drawn, range(arguments.pairs), model=None, jobs=arguments.jobs))
    lines = [
        f"{'':<28}{'DeepPCB':>16}{'':>16}{'synthetic':>14}{'':>20}{'large %':>14}",
        f"{'':<28}{'AP':>8}{'P':>8}{'R':>8}{'best F1':>9}{'AP':>9}{'P':>8}{'R':>8}{'best F1':>9}{'found':>9}{'IoU':>7}",
    ]
    notes = ON_REAL | {name: note for name, (_, note) in (MERGES | RANKED).items()} | FLIPS | SPECKS
    lines += [(_row(name, real, synthetic, name) + _pixels(large, name)).rstrip() for name in (SHIPPED, *notes)]
    if arguments.run:
        last = Checkpoint.load(arguments.run / FILE)
        model = pictures_folder(NAME) / "last.onnx"
        network = replace(last, averaged=last.weights, best={}).network()
        export(network, model, name=last.settings.network, version="last", threshold=_threshold(), size=(480, 640))
        lines.append(_row(ALONE, *judged(model, shipped_alone=True), SHIPPED))
    lines += ["", *(f"{name}: {note}" for name, note in notes.items() if note)]
    lines.append(
        "synthetic: boxes as they are, IoU > 0.33; DeepPCB: the official protocol; P, R at the model's threshold\n"
        f"large: of objects of {LARGE_PX[0]} to {LARGE_PX[1]} px the pixels that are found; found and there, of either"
    )
    record(
        NAME,
        claim=CLAIM,
        data=f"{len(pairs)} of 1000 DeepPCB training pairs and {arguments.pairs} synthetic ones of 480 px, seed {SEED}",
        model=load_engine(None, threads=1).info,
        result="\n".join(lines),
        keep=arguments.pairs == PAIRS,
    )


def _pixels(images: Sequence[Pixels], name: str) -> str:
    if name not in images[0]:
        return ""
    found, overlap = np.mean([image[name] for image in images], axis=0)
    return f"{100 * found:>9.1f}{100 * overlap:>7.1f}"


def _threshold() -> float:
    return load_engine(None, threads=1).info.threshold


def _row(label: str, real: Sequence[Found], synthetic: Sequence[Found], name: str) -> str:
    line = f"{label:<28}"
    for images, margin, room in ((real, ANNOTATION_MARGIN_PX, 8), (synthetic, 0.0, 9)):
        found = [image[name] for image in images if name in image]
        if not found:
            line += " " * (room + 25)
            continue
        figures = official(found, margin)
        line += f"{figures.average_precision:>{room}.4f}{figures.precision:>8.4f}{figures.recall:>8.4f}"
        line += f"{figures.best_f1:>9.4f}"
    return line


if __name__ == "__main__":
    run(main)
