"""What each idea of the training is worth: a short training with all of them, and one without each.

python -m benchmarks.training_ideas [--only N …] [--seeds N …] [--iterations N]

The shipped topology at half its width on smaller pictures, for a fraction of the shipped network's iterations; every
training the same budget, and of one seed the same random weights. Judged at the shipped threshold on what the ideas are
for: DeepPCB pairs (prints, zero-shot), synthetic pairs of photographs never trained on, hairs on such photographs,
simulated parts, the real connectors.

What is trained is kept outside the repository: the command goes on where it stopped, and writes the table of all that
is there after each training.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.ablation import Log, boxes_of, spread
from benchmarks.connectors import touches
from benchmarks.record import data_folder, pictures_folder, record, run
from benchmarks.simulated_parts import CONNECTORS
from build_engine.datasets import read_deeppcb, read_pairs
from build_engine.datasets.registered import RegisteredPair
from build_engine.datasets.registering import register_all
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX, ImageDetections, official, score
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.inspecting import inspect_pair
from build_engine.evaluation.registered import look_at
from build_engine.evaluation.simulated import evaluate_parts
from build_engine.networks.similarity_contrast import NETWORKS, Compact
from build_engine.onnx_export import export
from build_engine.synthesis import fills, shapes
from build_engine.synthesis.pairs import Recipe, Sample, synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.checkpoint import FILE
from build_engine.training.data import VALIDATION
from build_engine.training.settings import TrainingSettings
from build_engine.training.train import train
from edge_agent.engines import load_engine
from edge_agent.engines.engine import Engine
from edge_agent.inspection import recipe as product
from edge_agent.inspection import tiles
from edge_agent.inspection.inspector import Inspector

NAME = "training_ideas"
CLAIM = "what each idea of the synthesis and of the network's norms is worth, at a small fraction of the shipped budget"
WIDTH, SIZE, ITERATIONS, PAIRS, SYNTHETIC, PARTS, SEED = 0.5, 128, 2000, 100, 40, 120, 13
SMOOTHING = 0.01  # the last figure that was used
ALL = Recipe(size=SIZE, differences=(1, 5), edge_share=0.0)  # about as dense as the shipped network's on 256 px


class BatchThroughout(Compact):
    """The compact network with batch norm in its first block too."""

    FIRST_NORM = "batch"


NETWORKS["batch-throughout"] = BatchThroughout


@dataclass(frozen=True)
class Idea:
    """A training: what it goes without, or has instead."""

    name: str
    recipe: Recipe = ALL
    network: str = "compact"
    norm: str = ""
    smoothing: float = SMOOTHING


IDEAS = (
    Idea("all of them"),
    Idea("no black-and-white backgrounds", replace(ALL, binary_share=0.0)),
    Idea("labels not cut to what changed", replace(ALL, visible=-1)),
    Idea("surfaces alike in both photos", replace(ALL, surfaces_share=0.0)),
    Idea("batch norm in the first block too", network="batch-throughout"),
    Idea("instance norm in all blocks", norm="instance"),
    Idea("pairs that lie on each other", replace(ALL, aligned_share=1.0)),
    Idea("no drawn rings and bars", replace(ALL, drawn_share=0.0)),
    Idea("polygons alone: no lines, no blobs", replace(ALL, shapes=((shapes.polygon, 1.0),))),
    Idea("other photographs as the only fill", replace(ALL, fills=fills.PAPER_FUSION)),
    Idea("no label smoothing", smoothing=0.0),
    Idea("and a third of them on edges", replace(ALL, edge_share=Recipe.edge_share)),
)


def _speck(rng: np.random.Generator, _: float) -> shapes.Mask:
    return shapes.polygon(rng, rng.uniform(4, 10))


# What synthetic pairs are judged on; registered to 1 px, as the product meets pairs.
LARGE = Recipe(size=480, largest_shift=1.0, swapped_share=0.0, edge_share=0.0)
SETS = {
    "prints": replace(LARGE, binary_share=1.0, clean_share=0.0),
    "photos": replace(LARGE, binary_share=0.0, surfaces_share=1.0, clean_share=0.0),
    "hairs": replace(LARGE, binary_share=0.0, clean_share=0.0, shapes=((shapes.line, 1.0),)),
    "specks": replace(LARGE, binary_share=0.0, clean_share=0.0, edge_share=1.0, shapes=((_speck, 1.0),)),
    "clean": replace(LARGE, binary_share=0.0, surfaces_share=1.0, clean_share=1.0),
}
HEADS = (
    ("DeepPCB %", 2),
    ("prints %", 1),
    ("photos %", 2),
    ("hairs %", 1),
    ("specks %", 1),
    ("clean", 1),
    ("parts %", 2),
    ("connectors", 2),
)
TITLES = ("AP", *("best F1",) * 2, "AP", *("best F1",) * 3, "false/pair", "found", "clean NG", "found of 3", "false")
FIGURES, SEEDS, DASHES = "figures.json", 5, str.maketrans(" ", "-", ":,")
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="+", choices=range(len(IDEAS)), default=list(range(len(IDEAS))))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="  %(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    pairs = choose(read_deeppcb(data_folder("deeppcb")), PAIRS, 0)
    registered = register_all(pairs, pictures_folder(NAME) / "registered", ANNOTATION_MARGIN_PX, jobs=1).pairs
    shipped = load_engine(None, threads=1)
    file = pictures_folder(NAME) / f"shipped-{shipped.info.digest[:12]}.json"
    if not file.exists():
        file.write_text(json.dumps(_judged(None, shipped.info.threshold, registered)), encoding="utf-8")
    before = json.loads(file.read_text(encoding="utf-8"))
    for seed in arguments.seeds:
        for number in arguments.only:
            kept = _folder(IDEAS[number], seed, arguments.iterations) / FIGURES
            if not kept.exists():
                figures = _figures(IDEAS[number], seed, arguments.iterations, shipped.info.threshold, registered)
                kept.write_text(json.dumps(figures), encoding="utf-8")
            record(
                NAME,
                claim=CLAIM,
                data=f"{PAIRS} of 1000 DeepPCB training pairs, seed 0; {SYNTHETIC} synthetic pairs of each kind of "
                f"480 px and {PARTS} simulated parts, seed {SEED}; 2 real connectors",
                model=None,
                result=_table({"the shipped network": [before], **_all_there(arguments.iterations)}),
                keep=arguments.iterations == ITERATIONS,
            )


def _folder(idea: Idea, seed: int, iterations: int) -> Path:
    return pictures_folder(NAME) / f"{idea.name.translate(DASHES)}-seed{seed}-{iterations}"


def _all_there(iterations: int) -> dict[str, list[Figures]]:
    """Figures of the trainings that are done, by the idea's name, in the order of IDEAS."""
    there = {}
    for idea in IDEAS:
        files = [_folder(idea, seed, iterations) / FIGURES for seed in range(SEEDS)]
        found = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]
        if found:
            there[idea.name] = found
    return there


def _figures(idea: Idea, seed: int, iterations: int, threshold: float, pairs: Sequence[RegisteredPair]) -> Figures:
    """Train, or go on with a training, and judge."""
    folder = _folder(idea, seed, iterations)
    folder.mkdir(exist_ok=True)
    print(f"{idea.name}, seed {seed}", flush=True)
    settings = TrainingSettings(
        network=idea.network,
        width=WIDTH,
        norm=idea.norm,
        smoothing=idea.smoothing,
        iterations=iterations,
        warm_up=100,
        averaging=0.99,
        validate_every=max(1, iterations // 2),
        seed=seed,
    )
    last = train(
        data_folder("backgrounds"),
        folder,
        settings,
        workers=0,
        resume=(folder / FILE).exists(),
        progress=Log(),
        recipe=idea.recipe,
    )
    model = folder / "model.onnx"
    export(last.network(), model, name="compact", version=folder.name, threshold=threshold, size=(480, 640))
    seconds = sum(entry["seconds"] for entry in last.history)
    return _judged(model, threshold, pairs) | {"seconds": seconds}


def _judged(model: Path | None, threshold: float, pairs: Sequence[RegisteredPair]) -> Figures:
    """Every figure of a model file; None is the shipped one."""
    engine = load_engine(model, threads=1)
    real = official([looked.detections(threshold) for looked in look_at(engine, pairs)])
    figures = {"pcb_ap": real.average_precision, "pcb_f1": real.best_f1}
    for kind, samples in _samples().items():
        found = [_detections(engine, sample, threshold) for sample in samples]
        if kind == "clean":
            figures[kind] = sum(len(image.boxes) for image in found) / len(found)
        else:
            judged = score(found)
            figures |= {f"{kind}_f1": judged.best_f1, f"{kind}_ap": judged.average_precision}
    return figures | _on_parts(model, threshold) | _on_connectors(Inspector(engine), threshold)


@lru_cache(maxsize=1)
def _samples() -> dict[str, list[Sample]]:
    photographs = Photographs(data_folder("backgrounds"), VALIDATION)
    return {
        kind: [synthesise(photographs, recipe, SEED, index) for index in range(SYNTHETIC)]
        for kind, recipe in SETS.items()
    }


def _detections(engine: Engine, sample: Sample, threshold: float) -> ImageDetections:
    pair = tiles.cut_pair(engine.info, sample.test, sample.template, product.Recipe.scales)
    boxes, confidence = boxes_of(tiles.look(engine, pair).merged(threshold), threshold)
    return ImageDetections(boxes, confidence, boxes_of(sample.mask.astype(np.float32), 0.5)[0])


def _on_parts(model: Path | None, threshold: float) -> Figures:
    """Simulated parts: the product says NG and marks the object; clean ones that are NG."""
    report, _ = evaluate_parts(CONNECTORS, PARTS, model, seed=SEED, share=0.5, threshold=threshold, jobs=1)
    return {"parts_found": report.found_share, "parts_ng": report.clean_ng_share}


def _on_connectors(inspector: Inspector, threshold: float) -> Figures:
    """Annotated objects that a component lies on, and components that lie on none."""
    figures = {"found": 0.0, "false": 0.0}
    for pair in read_pairs(data_folder("connectors")):
        components = inspect_pair(inspector, pair, threshold).components
        figures["found"] += sum(any(touches(c, box) for c in components) for box in pair.boxes)
        figures["false"] += sum(not any(touches(c, box) for box in pair.boxes) for c in components)
    return figures


def _table(rows: dict[str, list[Figures]]) -> str:
    lines = [
        f"{'':<36}" + "".join(f"{head:>{12 * columns}}" for head, columns in HEADS),
        f"{'':<36}" + "".join(f"{title:>12}" for title in TITLES),
    ]
    for name, figures in rows.items():
        shown = [
            spread([100 * entry[key] for entry in figures])
            for key in ("pcb_ap", "pcb_f1", "prints_f1", "photos_ap", "photos_f1", "hairs_f1", "specks_f1")
        ]
        shown += [spread([entry["clean"] for entry in figures])]
        shown += [spread([100 * entry[key] for entry in figures]) for key in ("parts_found", "parts_ng")]
        shown += [spread([entry[key] for entry in figures]) for key in ("found", "false")]
        lines.append(f"{name:<36}" + "".join(f"{text:>12}" for text in shown))
    trained = [entry for figures in rows.values() for entry in figures if "seconds" in entry]
    minutes = sum(entry["seconds"] for entry in trained) / 60
    return "\n".join(
        [
            *lines,
            "",
            f"{ITERATIONS} iterations of batch 8 on {SIZE} px, width {WIDTH:g}; {len(trained)} runs, {minutes:.0f} min",
            "±: standard deviation between seeds, where there are more than one",
            "prints: black-and-white; photos: surfaces reflect otherwise in either; clean: such photos with no object",
            "hairs: lines of 1 to 6 px alone, on photos; specks: of 4 to 10 px, on edges of photos",
            "DeepPCB: official protocol, zero-shot; connectors: components on and beside the three annotated objects",
        ]
    )


if __name__ == "__main__":
    run(main)
