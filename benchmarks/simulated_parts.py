"""500 simulated parts of four connector kinds with default limits: objects found, clean parts called NG.

python -m benchmarks.simulated_parts [--model ONNX] [--parts N] [--jobs N]

Pictures of the parts that were judged wrong go to a folder outside the repository.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks.record import pictures_folder, record, run
from build_engine.evaluation.simulated import SMALLEST_PX, Outcome, evaluate_parts, simulated_table
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.images import write_image
from edge_agent.inspection.inspection import Verdict

NAME = "simulated_parts"
CLAIM = "at least 99 % of objects >= 6 px found, at most 0.5 % of clean parts NG, defaults"
CONNECTORS = ("dsub25", "circular37-pins", "dsub15-pins", "circular19")
PARTS, SEED, SHARE = 500, 2026, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--parts", type=int, default=PARTS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()

    report, outcomes = evaluate_parts(
        CONNECTORS, arguments.parts, arguments.model, seed=SEED, share=SHARE, threshold=None, jobs=arguments.jobs
    )
    wrong = [outcome for outcome in outcomes if _is_wrong(outcome)]
    record(
        NAME,
        claim=CLAIM,
        data=f"{arguments.parts} simulated parts of {', '.join(CONNECTORS)}, 1200 x 800, seed {SEED}, objects on half",
        model=report.model,
        result="\n".join([simulated_table(report), "", *map(_text, wrong)]).rstrip(),
        keep=arguments.model is None and arguments.parts == PARTS,
    )
    folder = pictures_folder(NAME)
    for outcome in wrong:
        image, _ = SimulatedCamera(outcome.connector, seed=SEED, share=SHARE).part(outcome.number)
        write_image(folder / f"{outcome.connector}-{outcome.number}.png", image)
    print(f"pictures of the {len(wrong)} parts that were judged wrong in {folder}")


def _is_wrong(outcome: Outcome) -> bool:
    if not outcome.truth.kind:
        return outcome.verdict is not Verdict.OK
    return outcome.truth.length_px >= SMALLEST_PX and not outcome.found


def _text(outcome: Outcome) -> str:
    truth = outcome.truth
    there = f"{truth.kind} of {truth.length_px:.0f} px at {truth.bbox_px}" if truth.kind else "clean"
    said = f"{outcome.verdict.value} {' '.join(outcome.reasons)}".strip()
    return f"wrong: {outcome.connector} part {outcome.number}, {there}: {said}, highest score {outcome.score:.2f}"


if __name__ == "__main__":
    run(main)
