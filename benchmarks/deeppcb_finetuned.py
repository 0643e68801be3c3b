"""DeepPCB after fine-tuning on 800 of its training pairs: figures on the other 200, which chose weights and threshold.

python -m benchmarks.deeppcb_finetuned [--run FOLDER] [--jobs N] [--threads N]

Trains by `build-engine finetune` with its defaults, from the model of the package, and goes on where it stopped; the
weights stay outside the repository. The figures that count are those on DeepPCB's test split, which is not here:
`build-engine evaluate --deeppcb PCBData/test.txt --model FOLDER/model.onnx`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from benchmarks.record import REPOSITORY, data_folder, pictures_folder, record, run
from build_engine.cli.finetune import MODEL, REPORT
from build_engine.cli.main import main as build_engine
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.settings import FinetuneSettings
from edge_agent.engines import load_engine

NAME = "deeppcb_finetuned"
CLAIM = "fine-tuned on 800 DeepPCB training pairs: official AP >= 0.99, F1 >= 0.99 at the exported threshold"
CURVES = REPOSITORY / "docs" / "images" / "finetune-curves.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=pictures_folder(NAME) / "run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()

    folder: Path = arguments.run
    if not (folder / REPORT).exists():
        command = ["finetune", "--deeppcb", str(data_folder("deeppcb")), "--output", str(folder)]
        command += ["--jobs", str(arguments.jobs), "--threads", str(arguments.threads)]
        failed = build_engine(command + ["--resume"] * (folder / FILE).exists())
        if failed:
            sys.exit(failed)
    last = Checkpoint.load(folder / FILE)
    assert isinstance(last.settings, FinetuneSettings)
    minutes = sum(row["seconds"] for row in last.history) / 60
    record(
        NAME,
        claim=CLAIM,
        data="DeepPCB trainval.txt (tangsanli5201/DeepPCB): 800 pairs to train on, 200 to choose by",
        model=load_engine(folder / MODEL).info,
        result=f"build-engine finetune --deeppcb PCBData --output RUN\n"
        f"started from weights {last.settings.start}…, {minutes:.0f} minutes of training\n\n"
        + (folder / REPORT).read_text(encoding="utf-8").rstrip(),
        keep=True,
    )
    CURVES.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "curves.png", CURVES)


if __name__ == "__main__":
    run(main)
