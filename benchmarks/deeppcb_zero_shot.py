"""DeepPCB without having seen it: average precision and F1 of the shipped model on all 1,000 training pairs.

What is still wrong is counted by board, kind, size and by what lies there.

python -m benchmarks.deeppcb_zero_shot [--model ONNX] [--limit N] [--seed S] [--jobs N]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from benchmarks.record import data_folder, pictures_folder, record, run
from benchmarks.still_wrong import still_wrong
from build_engine.datasets import read_deeppcb
from build_engine.evaluation.evaluation import choose, evaluate, write_pictures
from build_engine.evaluation.report import table

NAME = "deeppcb_zero_shot"
CLAIM = (
    "never trained on it: official AP >= 0.985; precision and recall >= 0.96 at the shipped threshold; "
    "the paper's oracle protocol above the paper's 0.882"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    everything = read_deeppcb(data_folder("deeppcb"))
    pairs = choose(everything, arguments.limit, arguments.seed)
    start = time.monotonic()
    report, inspections = evaluate(pairs, arguments.model, threshold=None, jobs=arguments.jobs)
    minutes = (time.monotonic() - start) / 60
    record(
        NAME,
        claim=CLAIM,
        data=f"DeepPCB trainval.txt, {len(pairs)} of {len(everything)} pairs (tangsanli5201/DeepPCB)",
        model=report.model,
        result="\n".join(
            [
                table(report),
                "",
                *still_wrong(pairs, inspections),
                "",
                f"{minutes:.1f} minutes on {arguments.jobs} processes",
            ]
        ),
        keep=arguments.model is None and len(pairs) == len(everything),
    )
    folder = pictures_folder(NAME)
    title = f"DeepPCB, {len(pairs)} pairs"
    write_pictures(pairs, inspections, report, arguments.model, threshold=None, title=title, folder=folder)
    print(f"pictures in {folder}")


if __name__ == "__main__":
    run(main)
