"""Table 3 of the paper at reduced scale: norm, label smoothing and fill of the differences, one row after the other.

python -m benchmarks.ablation [--rows 1 2 3 4 5] [--seeds 0 1 2] [--iterations N] [--pairs N] [--jobs N]

The published topology with fewer channels, smaller pictures, a fraction of the iterations; the paper's own synthetic
pairs; every row the same budget. Scores of networks trained with and without label smoothing, or for so short a time,
are not on one scale: the paper's threshold of 0.1 judges how far a row's scores have come, not how well they tell
objects from the rest. So each row is judged at the threshold that is best on synthetic pairs of its own mixture, of
photographs never trained on, and the figures at all thresholds stand below.

What is trained and judged is kept outside the repository, what was judged by the digest of the code: the command goes
on where it stopped, and the table is written again after each row, as soon as every row has a seed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.inspected import digest_of_code
from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine import evaluation, synthesis
from build_engine.datasets import read_deeppcb
from build_engine.datasets.registered import RegisteredPair
from build_engine.datasets.registering import register_all
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX, ImageDetections, official, paper_oracle, score
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.registered import look_at
from build_engine.networks.similarity_contrast import count_gmac, count_parameters
from build_engine.onnx_export import export
from build_engine.synthesis.pairs import RECIPES, synthesise
from build_engine.synthesis.photographs import Photographs
from build_engine.training.checkpoint import FILE
from build_engine.training.data import VALIDATION
from build_engine.training.settings import TrainingSettings
from build_engine.training.train import train
from edge_agent.engines import load_engine
from edge_agent.engines.engine import Engine, ModelInfo
from edge_agent.inspection import tiles
from edge_agent.inspection.components import find_components
from edge_agent.inspection.recipe import Recipe

NAME = "ablation"
CLAIM = "which of the paper's choices (instance norm, label smoothing, image fusion) help at a fraction of its budget"
WIDTH, SIZE, DIFFERENCES = 0.125, 160, (5, 8)  # as dense as the paper's 12 to 19 on pictures of 256 px
ITERATIONS, PAIRS = 500, 100
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)  # the first is the paper's
SYNTHETIC, SYNTHETIC_SIZE, SYNTHETIC_DIFFERENCES = 30, 480, (45, 72)  # to choose by; as dense as those trained on


@dataclass(frozen=True)
class Row:
    """One row of Table 3, with the paper's figure for it in per cent."""

    norm: str
    smoothing: float
    recipe: str
    paper: float

    @property
    def fill(self) -> str:
        """The paper's word for what differences are filled with."""
        return "colour" if self.recipe == "paper-colour" else "fusion"


ROWS = {
    1: Row("layer", 0.05, "paper-colour", 78.2),
    2: Row("layer", 0.0, "paper", 81.4),
    3: Row("layer", 0.05, "paper", 85.5),
    4: Row("batch", 0.05, "paper", 80.8),
    5: Row("instance", 0.05, "paper", 88.2),
}
Figures = dict[str, Any]


class Log:
    """Prints the loss now and then."""

    def update(self, iteration: int, loss: float) -> None:
        """After every step."""
        if iteration % 100 == 0:
            print(f"  {iteration} loss {loss:.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="  %(message)s")

    pairs = choose(read_deeppcb(data_folder("deeppcb")), arguments.pairs, 0)
    arrays = pictures_folder(NAME) / f"registered-{arguments.pairs}-{digest_of_code()}"
    registered = register_all(pairs, arrays, ANNOTATION_MARGIN_PX, jobs=arguments.jobs).pairs
    results: dict[tuple[int, int], Figures] = {}
    for seed in arguments.seeds:
        for number in arguments.rows:
            info, results[number, seed] = _result(number, seed, registered, arguments)
            if set(arguments.rows) <= {row for row, _ in results}:
                record(
                    NAME,
                    claim=CLAIM,
                    data=f"trained on synthetic pairs; judged on {len(pairs)} DeepPCB training pairs, drawn by seed 0",
                    model=info,
                    result=_table(results, arguments.iterations),
                    keep=len(arguments.rows) == len(ROWS)
                    and (arguments.pairs, arguments.iterations) == (PAIRS, ITERATIONS),
                )


def _result(
    number: int, seed: int, pairs: Sequence[RegisteredPair], arguments: argparse.Namespace
) -> tuple[ModelInfo, Figures]:
    """Model and figures of a row: from the last time, or trained (on) and judged now."""
    folder = pictures_folder(NAME) / f"row{number}-seed{seed}-{arguments.iterations}"
    model, file = folder / "model.onnx", folder / f"thresholds-{len(pairs)}-{_judging()}.json"
    if not file.exists():
        folder.mkdir(exist_ok=True)
        print(f"row {number} seed {seed}: {ROWS[number]}", flush=True)
        figures = _trained(ROWS[number], seed, folder, model, arguments.iterations)
        figures |= _judged(load_engine(model), ROWS[number], pairs)
        file.write_text(json.dumps({**figures, "row": asdict(ROWS[number])}), encoding="utf-8")
    kept: Figures = json.loads(file.read_text(encoding="utf-8"))
    return load_engine(model).info, kept


def _judging() -> str:
    """Digest of the code that judges: what an older one said does not count."""
    return digest_of_code(Path(evaluation.__file__).parent, Path(synthesis.__file__).parent, Path(__file__))


def _trained(row: Row, seed: int, folder: Path, model: Path, iterations: int) -> Figures:
    settings = TrainingSettings(
        network="paper",
        width=WIDTH,
        norm=row.norm,
        recipe=row.recipe,
        smoothing=row.smoothing,
        iterations=iterations,
        learning_rate=1e-3,
        warm_up=100,
        positive_weight=1.0,
        averaging=0.99,
        validate_every=500,
        seed=seed,
    )
    last = train(
        data_folder("backgrounds"),
        folder,
        settings,
        workers=0,
        resume=(folder / FILE).exists(),
        progress=Log(),
        recipe=replace(RECIPES[row.recipe], size=SIZE, differences=DIFFERENCES),
    )
    network = last.network()
    export(network, model, name="paper", version=f"{row.norm}-norm", threshold=THRESHOLDS[0], size=(480, 640))
    return {
        "seconds": sum(entry["seconds"] for entry in last.history),
        "parameters": count_parameters(network),
        "gmac": count_gmac(network, 640, 640),
    }


def _judged(engine: Engine, row: Row, pairs: Sequence[RegisteredPair]) -> Figures:
    """The threshold chosen on synthetic pairs, and figures on real ones at each threshold, in their order."""
    synthetic = _on_synthetic(engine, row)
    chosen = int(np.argmax([score(synthetic[threshold]).f1 for threshold in THRESHOLDS]))
    looked = list(look_at(engine, pairs))
    found = [[pair.detections(threshold) for pair in looked] for threshold in THRESHOLDS]
    return {
        "chosen": chosen,
        "oracle": [paper_oracle(images).average_precision for images in found],
        "official": [official(images).average_precision for images in found],
        "f1": [official(images).f1 for images in found],
    }


def _on_synthetic(engine: Engine, row: Row) -> dict[float, list[ImageDetections]]:
    """What is found on held-back synthetic pairs, as the product meets pairs: registered."""
    photographs = Photographs(data_folder("backgrounds"), VALIDATION)
    recipe = replace(RECIPES[row.recipe], size=SYNTHETIC_SIZE, differences=SYNTHETIC_DIFFERENCES, largest_shift=1.0)
    images: dict[float, list[ImageDetections]] = {threshold: [] for threshold in THRESHOLDS}
    for index in range(SYNTHETIC):
        sample = synthesise(photographs, recipe, 7, index)
        truth, _ = boxes_of(sample.mask.astype(np.float32), 0.5)
        scores = tiles.look(engine, tiles.cut_pair(engine.info, sample.test, sample.template, Recipe.scales))
        for threshold, found in images.items():
            found.append(ImageDetections(*boxes_of(scores.merged(threshold), threshold), truth))
    return images


def boxes_of(score_map: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes [N, 4] and confidences [N] of the components of a map."""
    found, _ = find_components(score_map, threshold)
    boxes = np.array([component.bbox_px for component in found], np.float64).reshape(-1, 4)
    return boxes, np.array([component.score for component in found], np.float64)


def _table(results: dict[tuple[int, int], Figures], iterations: int) -> str:
    rows = sorted({number for number, _ in results})
    of = {number: [entry for (row, _), entry in results.items() if row == number] for number in rows}
    lines = [
        "row  norm      smoothing  fill    seeds  threshold chosen  oracle AP %  official AP %        F1 %  the paper's"
    ]
    for number in rows:
        row = ROWS[number]
        chosen = "/".join(f"{THRESHOLDS[entry['chosen']]:g}" for entry in of[number])
        shown = [
            spread([100 * entry[key][entry["chosen"]] for entry in of[number]]) for key in ("oracle", "official", "f1")
        ]
        lines.append(
            f"{number:>3}  {row.norm:<8}  {row.smoothing:>9.2f}  {row.fill:<6}{len(of[number]):>7}{chosen:>18}"
            f"{shown[0]:>13}{shown[1]:>15}{shown[2]:>12}{row.paper:>13.1f}"
        )
    for key, words in (("oracle", "oracle AP %"), ("official", "official AP %")):
        lines += ["", f"row  {words} by threshold (0.1: the paper's), mean of the seeds"]
        lines.append("     " + "".join(f"{threshold:>7g}" for threshold in THRESHOLDS))
        for number in rows:
            means = np.mean([entry[key] for entry in of[number]], axis=0)
            lines.append(f"{number:>3}  " + "".join(f"{100 * value:>7.1f}" for value in means))
    one = next(iter(results.values()))
    minutes = sum(entry["seconds"] for entry in results.values()) / 60
    return "\n".join(
        [
            *lines,
            "",
            f"{iterations} iterations of batch 8 on pictures of {SIZE} px (the paper: 10,000 on 640 x 480);",
            f"width {WIDTH:g}: {one['parameters'] / 1e6:.2f} M parameters, {one['gmac']:.1f} GMAC at 640 x 640",
            f"(the paper: 40.3 M, 65); {minutes:.0f} minutes of training in all; the paper's: oracle AP %",
            f"threshold chosen: best F1 of boxes on {SYNTHETIC} synthetic pairs of the row's own mixture, held back",
            "the product's registration, scales and components; ±: standard deviation between seeds",
            "oracle: the paper's protocol, which ranks by the answer; official: DeepPCB's, ranked by our confidence",
        ]
    )


def spread(values: Sequence[float]) -> str:
    """Mean of the seeds, and their standard deviation where there are more than one."""
    text = f"{np.mean(values):.1f}"
    return text if len(values) == 1 else f"{text} ±{np.std(values, ddof=1):.1f}"


if __name__ == "__main__":
    run(main)
