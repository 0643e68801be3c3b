"""How long an inspection of a 1200 × 800 region takes on 2 CPU threads, and how much of it is bare inference.

python -m benchmarks.inspection_speed [--model ONNX]

Inspection and bare inference on the same number of tiles run in turn, so that both see the same machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from benchmarks.record import record, run
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.engines import load_engine
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.tiles import Layout, plan

Outcome = TypeVar("Outcome")

NAME = "inspection_speed"
CLAIM = "below one second for a 1200 x 800 region on 2 CPU threads"
WIDTH, HEIGHT = 1200, 800
THREADS, WARM_UP, ROUNDS = 2, 3, 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()

    cv2.setNumThreads(THREADS)
    engine = load_engine(arguments.model, threads=THREADS)
    inspector = Inspector(engine)
    camera = SimulatedCamera("dsub25", size=(WIDTH, HEIGHT), seed=7)
    recipe = Recipe(name="speed", version="1", template=camera.template(), mm_per_px=camera.mm_per_px)
    parts = [camera.part(number)[0] for number in range(WARM_UP + ROUNDS)]

    height, width = engine.info.height, engine.info.width
    layouts = [plan(HEIGHT, WIDTH, scale, (height, width)) for scale in recipe.scales]
    tiles = sum(len(layout.tops) * len(layout.lefts) for layout in layouts)
    batch = np.random.default_rng(0).integers(0, 256, (tiles, height, width, 3), np.uint8)

    inspections, totals, bare = [], [], []
    for part in parts:
        inspection, ms = _timed(partial(inspector.inspect, part, recipe))
        inspections.append(inspection)
        totals.append(ms)
        bare.append(_timed(partial(engine.infer, batch, batch))[1])
    total, inference = (float(np.median(times[WARM_UP:])) for times in (totals, bare))
    slow = float(np.percentile(totals[WARM_UP:], 95))
    stages = {stage: _stage(inspections[WARM_UP:], stage) for stage in inspections[-1].timing_ms}
    lines = [
        f"total                {total:7.0f} ms, median of {ROUNDS}; 95th percentile {slow:.0f}",
        *(f"  {stage:<19}{ms:7.0f} ms" for stage, ms in stages.items()),
        f"bare inference       {inference:7.0f} ms, {tiles} tiles ({', '.join(_shape(layout) for layout in layouts)})",
        f"bare / total         {inference / total:7.2f}",
        "verdicts             " + ", ".join(sorted({inspection.verdict.value for inspection in inspections})),
    ]
    record(
        NAME,
        claim=CLAIM,
        data=f"simulated dsub25, {WIDTH} x {HEIGHT}, whole image, {THREADS} threads, {ROUNDS} parts after {WARM_UP}",
        model=engine.info,
        result="\n".join(lines),
        keep=arguments.model is None,
    )


def _timed(work: Callable[[], Outcome]) -> tuple[Outcome, float]:
    start = time.perf_counter()
    outcome = work()
    return outcome, (time.perf_counter() - start) * 1000


def _stage(inspections: list[Inspection], stage: str) -> float:
    return float(np.median([inspection.timing_ms[stage] for inspection in inspections]))


def _shape(layout: Layout) -> str:
    return f"{len(layout.tops)} x {len(layout.lefts)} at scale {layout.scale:g}"


if __name__ == "__main__":
    run(main)
