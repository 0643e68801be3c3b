"""Table 3 of the paper at reduced scale: norm, label smoothing and fill of the differences, one row after the other.

python -m benchmarks.ablation [--rows 1 2 3 4 5] [--seeds 0 1 2] [--iterations N] [--pairs N] [--jobs N]

The published topology with fewer channels, smaller pictures, a fraction of the iterations; the paper's own synthetic
pairs; every row the same budget. What is trained is kept outside the repository: the command goes on where it stopped,
and writes the table when all its rows are there.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from dataclasses import asdict, dataclass, replace

import numpy as np

from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.datasets import read_deeppcb
from build_engine.evaluation.evaluation import choose, evaluate
from build_engine.networks.similarity_contrast import count_gmac, count_parameters
from build_engine.onnx_export import export
from build_engine.synthesis.pairs import RECIPES
from build_engine.training.checkpoint import FILE
from build_engine.training.settings import TrainingSettings
from build_engine.training.train import train
from edge_agent.engines import load_engine

NAME = "ablation"
CLAIM = "which of the paper's choices (instance norm, label smoothing, image fusion) help at a fraction of its budget"
WIDTH, SIZE, DIFFERENCES = 0.125, 160, (5, 8)  # as dense as the paper's 12 to 19 on pictures of 256 px
ITERATIONS, PAIRS = 500, 40
THRESHOLD = 0.1  # the paper's


@dataclass(frozen=True)
class Row:
    """One row of Table 3, with the paper's figure for it in per cent."""

    norm: str
    smoothing: float
    recipe: str
    paper: float


ROWS = {
    1: Row("layer", 0.05, "paper-colour", 78.2),
    2: Row("layer", 0.0, "paper", 81.4),
    3: Row("layer", 0.05, "paper", 85.5),
    4: Row("batch", 0.05, "paper", 80.8),
    5: Row("instance", 0.05, "paper", 88.2),
}


class _Log:
    def update(self, iteration: int, loss: float) -> None:
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

    results = {(row, seed): _result(row, seed, arguments) for seed in arguments.seeds for row in arguments.rows}
    model = pictures_folder(NAME) / _name(arguments.rows[-1], arguments.seeds[-1], arguments) / "model.onnx"
    record(
        NAME,
        claim=CLAIM,
        data=f"trained on synthetic pairs; judged on {arguments.pairs} DeepPCB training pairs, drawn by seed 0",
        model=load_engine(model).info,
        result=_table(results, arguments),
        keep=len(arguments.rows) == len(ROWS) and arguments.pairs == PAIRS,
    )


def _name(number: int, seed: int, arguments: argparse.Namespace) -> str:
    return f"row{number}-seed{seed}-{arguments.iterations}"


def _result(number: int, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Figures of a row: from the last time, or trained (on) and judged now."""
    folder = pictures_folder(NAME) / _name(number, seed, arguments)
    file = folder / f"figures-{arguments.pairs}.json"
    if file.exists():
        kept: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
        return kept
    folder.mkdir(exist_ok=True)
    row = ROWS[number]
    print(f"row {number} seed {seed}: {row}", flush=True)
    settings = TrainingSettings(
        network="paper",
        width=WIDTH,
        norm=row.norm,
        recipe=row.recipe,
        smoothing=row.smoothing,
        iterations=arguments.iterations,
        learning_rate=1e-3,
        warm_up=100,
        positive_weight=1.0,
        averaging=0.99,
        validate_every=250,
        seed=seed,
    )
    last = train(
        data_folder("backgrounds"),
        folder,
        settings,
        workers=0,
        resume=(folder / FILE).exists(),
        progress=_Log(),
        recipe=replace(RECIPES[row.recipe], size=SIZE, differences=DIFFERENCES),
    )
    model, network = folder / "model.onnx", last.network()
    export(network, model, name="paper", version=f"row-{number}", threshold=THRESHOLD, size=(480, 640))
    pairs = choose(read_deeppcb(data_folder("deeppcb")), arguments.pairs, 0)
    report, _ = evaluate(pairs, model, threshold=None, jobs=arguments.jobs)
    figures = {
        "oracle": report.oracle.average_precision,
        "official": report.official.average_precision,
        "best_f1": report.official.best_f1,
        "seconds": sum(entry["seconds"] for entry in last.history),
        "parameters": float(count_parameters(network)),
        "gmac": count_gmac(network, 640, 640),
    }
    file.write_text(json.dumps({**figures, "row": asdict(row)}), encoding="utf-8")
    return figures


def _table(results: dict[tuple[int, int], dict[str, float]], arguments: argparse.Namespace) -> str:
    lines = ["row  norm      smoothing  fill    oracle AP %  official AP %  best F1 %  paper: oracle AP %"]
    for number in arguments.rows:
        row = ROWS[number]
        figures = [results[number, seed] for seed in arguments.seeds]
        shown = [_mean([100 * entry[key] for entry in figures]) for key in ("oracle", "official", "best_f1")]
        fill = "colour" if row.recipe == "paper-colour" else "fusion"
        lines.append(
            f"{number:>3}  {row.norm:<8}  {row.smoothing:>9.2f}  {fill:<6}{shown[0]:>13}{shown[1]:>15}{shown[2]:>11}"
            f"{row.paper:>20.1f}"
        )
    one = results[arguments.rows[-1], arguments.seeds[-1]]
    minutes = sum(entry["seconds"] for entry in results.values()) / 60
    seeds = f"{len(arguments.seeds)} seed{'s' * (len(arguments.seeds) > 1)}"
    budget = f"{arguments.iterations} iterations of batch 8 on pictures of {SIZE} px (the paper: 10,000 on 640 x 480)"
    size = f"{one['parameters'] / 1e6:.2f} M parameters, {one['gmac']:.1f} GMAC at 640 x 640 (the paper: 40.3 M, 65)"
    return "\n".join(
        [
            *lines,
            "",
            f"{seeds}; {budget};",
            f"width {WIDTH:g}: {size}; {minutes:.0f} minutes of training in all",
            f"threshold {THRESHOLD:g}, as the paper's; the product's registration, scales and components",
            "oracle: the paper's protocol, which ranks by the answer; official: DeepPCB's, ranked by our confidence",
        ]
    )


def _mean(values: list[float]) -> str:
    text = f"{np.mean(values):.1f}"
    return text if len(values) == 1 else f"{text} ±{np.std(values, ddof=1):.1f}"


if __name__ == "__main__":
    run(main)
