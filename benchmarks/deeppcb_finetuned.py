"""DeepPCB after fine-tuning on 800 of its training pairs: figures on the other 200, which chose weights and threshold.

python -m benchmarks.deeppcb_finetuned [--split pairs|folders] [--jobs N] [--threads N]

Trains by `build-engine finetune` with its defaults, from the model of the package, and goes on where it stopped; the
weights stay outside the repository. The other 200 are single pairs of the boards that were trained on; with `--split
folders` they are of other boards. The network that it started from is judged on the same pairs. The figures that count
are those on DeepPCB's test split, which is not here:
`build-engine evaluate --deeppcb PCBData/test.txt --model FOLDER/model.onnx`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from benchmarks.record import REPOSITORY, data_folder, pictures_folder, record, run
from build_engine.cli.finetune import MODEL, REPORT
from build_engine.cli.main import main as build_engine
from build_engine.datasets import AnnotatedPair, read_deeppcb
from build_engine.datasets.splitting import split
from build_engine.evaluation.evaluation import evaluate
from build_engine.evaluation.report import table
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.settings import FinetuneSettings
from edge_agent.engines import load_engine

NAME = "deeppcb_finetuned"
CLAIM = "fine-tuned on 800 DeepPCB training pairs: official AP >= 0.99, F1 >= 0.99 at the exported threshold"
KEPT_BACK = {"pairs": "single pairs of the same boards", "folders": "all pairs of three other boards"}
CURVES = REPOSITORY / "docs" / "images" / "finetune-curves.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", choices=tuple(KEPT_BACK), default="pairs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()

    shipped = load_engine(None, threads=1)
    shipped.close()
    folder = pictures_folder(NAME) / f"{arguments.split}-{shipped.info.digest[:12]}"
    if not (folder / REPORT).exists():
        command = ["finetune", "--deeppcb", str(data_folder("deeppcb")), "--output", str(folder)]
        command += ["--split", arguments.split, "--jobs", str(arguments.jobs), "--threads", str(arguments.threads)]
        failed = build_engine(command + ["--resume"] * (folder / FILE).exists())
        if failed:
            sys.exit(failed)
    last = Checkpoint.load(folder / FILE)
    assert isinstance(last.settings, FinetuneSettings)
    held_back = _held_back(last.settings)
    before, _ = evaluate(held_back, None, threshold=None, jobs=arguments.jobs)
    minutes = sum(row["seconds"] for row in last.history) / 60
    record(
        NAME if arguments.split == "pairs" else f"{NAME}-{arguments.split}",
        claim=CLAIM,
        data=f"DeepPCB trainval.txt (tangsanli5201/DeepPCB): 800 pairs to train on, {len(held_back)} to choose by: "
        f"{KEPT_BACK[arguments.split]} ({', '.join(sorted({pair.test.parent.parent.name for pair in held_back}))})",
        model=load_engine(folder / MODEL).info,
        result=f"build-engine finetune --deeppcb PCBData --split {arguments.split} --output RUN\n"
        f"started from weights {last.settings.start}…, {last.iteration} iterations, {minutes:.0f} minutes\n\n"
        + (folder / REPORT).read_text(encoding="utf-8").rstrip()
        + f"\n\nThe network that it started from, on the same pairs:\n{table(before)}",
        keep=True,
    )
    if arguments.split == "pairs":
        CURVES.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "curves.png", CURVES)


def _held_back(settings: FinetuneSettings) -> tuple[AnnotatedPair, ...]:
    """The pairs that the run was not trained on."""
    pairs, whole_folders = read_deeppcb(data_folder("deeppcb")), settings.split == "folders"
    return split(pairs, settings.validation_share, settings.seed, whole_folders=whole_folders)[1]


if __name__ == "__main__":
    run(main)
