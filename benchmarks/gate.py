"""Does the gate let a good INT8 engine pass, and none that was calibrated on too few or on other pictures?

Simulated parts, registered as the agent does it. Three engines of the shipped model: calibrated on parts of the line,
on five of them, and on photographs that show nothing of it (each against itself, with camera noise).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.record import data_folder, record, run
from build_engine.precision import Budget, to_int8
from calibration.coverage import cover
from calibration.gate import GateResult, check
from calibration.near_duplicates import reduced
from calibration.pair_set import Entry, PairSet, picture_id
from calibration.registered_pairs import PairTiles, RegisteredPairs
from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.engines import ModelInfo, load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.engine import Tiles
from edge_agent.images import read_image
from edge_agent.inspection.recipe import Recipe

SIZE, KEY, PARTS, TILES, FEW = (800, 600), "simulated", 80, 120, 5
EVERYTHING_INT8 = Budget(float_share=0.0, tiles=2)
CLAIM = (
    "the gate passes a good INT8 engine, and refuses those calibrated on too few or unrelated pictures, with the reason"
)


def main() -> None:
    """Make the engines, judge them, record what was said."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=PARTS, help=f"simulated parts; default: {PARTS}")
    parser.add_argument("--threads", type=int, default=2, help="of one inference; default: 2")
    arguments = parser.parse_args()
    photographs = data_folder("backgrounds")
    with tempfile.TemporaryDirectory() as folder:
        pairs, recipe = _line(Path(folder), arguments.parts)
        recipes = {KEY: recipe}
        calibration = [entry for entry in pairs.entries if not entry.for_check]
        checked = RegisteredPairs(pairs, [entry for entry in pairs.entries if entry.for_check], recipes)
        reference = load_engine(shipped_model(), "onnxruntime", arguments.threads)
        info = reference.info
        engines: list[tuple[str, int, Iterable[tuple[Tiles, Tiles]]]] = [
            ("parts of the line", len(calibration), _tiles(pairs, calibration, recipes, info)),
            (f"{FEW} of them", FEW, _tiles(pairs, calibration[:FEW], recipes, info)),
            ("unrelated photographs", len(calibration), list(_photographs(photographs, len(calibration), info))),
        ]
        lines = []
        for name, count, tiles in engines:
            result = _judged(Path(folder), tiles, count, checked, arguments.threads)
            off = sum(bool(layer.trouble) for layer in result.layers)
            lines += [f"calibrated on {name} ({count} pairs): {'PASSED' if result.passed else 'REFUSED'}"]
            lines += [f"  - {reason}" for reason in result.reasons] or [f"  - {result.text}"]
            lines += [f"  ranges that do not fit: {off} of {len(result.layers)} layers"]
            print("\n".join(lines[-3:]), flush=True)
        data = (
            f"{arguments.parts} simulated parts of {SIZE[0]} x {SIZE[1]}, {len(checked.entries)} of them for the check"
        )
        record("gate", claim=CLAIM, data=data, model=info, result="\n".join(lines), keep=arguments.parts == PARTS)


def _line(folder: Path, parts: int) -> tuple[PairSet, Recipe]:
    camera = SimulatedCamera(size=SIZE, seed=1)
    recipe = Recipe(KEY, "1", camera.template(), tuple(camera.region()), camera.mm_per_px)
    pairs = PairSet(folder / "set")
    for number in range(parts):
        image, truth = camera.part(number)
        entry = Entry(picture_id(image), KEY, bool(truth.kind), 1.0, (0.0, 0.0))
        pairs.add(image, reduced(image, recipe), entry)
    return pairs, recipe


def _tiles(pairs: PairSet, entries: list[Entry], recipes: dict[str, Recipe], info: ModelInfo) -> PairTiles:
    return PairTiles(RegisteredPairs(pairs, entries, recipes), info, TILES)


def _photographs(folder: Path, count: int, info: ModelInfo) -> Iterator[tuple[Tiles, Tiles]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    for number, path in enumerate(paths[:: max(1, len(paths) // count)][:count]):
        photograph = cv2.resize(read_image(path), (info.width, info.height))[None]
        noise = np.random.default_rng(number).normal(0, 2, photograph.shape)
        yield np.clip(photograph + noise, 0, 255).astype(np.uint8), np.asarray(photograph, np.uint8)


def _judged(
    folder: Path, tiles: Iterable[tuple[Tiles, Tiles]], count: int, checked: RegisteredPairs, threads: int
) -> GateResult:
    model = folder / "int8.onnx"
    report = to_int8(shipped_model(), tiles, model, budget=EVERYTHING_INT8, threads=threads)
    reference = load_engine(shipped_model(), "onnxruntime", threads)
    layers = cover(shipped_model(), report, PairTiles(checked, reference.info, TILES), threads)
    return check(reference, load_engine(model, "onnxruntime", threads), checked, layers=layers, calibrated_pairs=count)


if __name__ == "__main__":
    run(main)
