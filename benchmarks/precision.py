"""FP16, INT8 and INT8 with FP16 for the rest against float32: accuracy, arithmetic in int8, time to the model.

python -m benchmarks.precision deeppcb [--pairs N] [--model ONNX] [--jobs N]
python -m benchmarks.precision connectors
python -m benchmarks.precision simulated [--parts N]

"int8" has every convolution in int8, "int8+fp16" leaves out those that cost the most. DeepPCB is calibrated on 200 of
its pairs and judged on others; connectors and simulated parts are calibrated on synthetic pairs of photographs. ONNX
Runtime computes all of them on the CPU: it proves the numbers, not the speed. What is said of each DeepPCB pair is kept
outside the repository: the command goes on there where it stopped.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx

from benchmarks.inspected import inspected
from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.datasets import read_deeppcb, read_pairs
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.inspecting import recipe_of
from build_engine.evaluation.report import summarise
from build_engine.evaluation.simulated import evaluate_parts
from build_engine.precision import (
    Budget,
    PrecisionReport,
    TileSet,
    tiles_of_pairs,
    tiles_of_photographs,
    to_fp16,
    to_int8,
)
from build_engine.precision.nvidia_compiler import available, shares
from build_engine.precision.report import table
from build_engine.synthesis.photographs import Photographs
from edge_agent.engines import ModelInfo, load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.images import read_image
from edge_agent.inspection.inspector import Inspector, Seen, conclude
from edge_agent.inspection.registration import Registered, Registrar

NAME = "precision"
CALIBRATION_PAIRS, PAIRS, PARTS = 200, 200, 40
CONNECTORS, SEED = ("dsub25", "circular37-pins"), 2026
INT8_LOSS, FP16_LOSS, SHARE, MINUTES = 0.003, 0.0005, 0.9, 5
CLAIM = (
    f"AP lost on DeepPCB: INT8 <= {INT8_LOSS:g}, FP16 <= {FP16_LOSS:g}; >= {SHARE:.0%} of the arithmetic in int8 by "
    f"NVIDIA's compiler; from 200 pairs to an INT8 model in less than {MINUTES} minutes"
)
Models = dict[str, Path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("deeppcb", "connectors", "simulated"))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of DeepPCB to judge")
    parser.add_argument("--calibration", type=int, default=CALIBRATION_PAIRS, help="pairs to calibrate on")
    parser.add_argument("--parts", type=int, default=PARTS, help="simulated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    whole = arguments.model is None and arguments.calibration == CALIBRATION_PAIRS
    whole = whole and arguments.pairs == PAIRS and arguments.parts == PARTS
    {"deeppcb": _deeppcb, "connectors": _connectors, "simulated": _simulated}[arguments.data](arguments, whole)


def _deeppcb(arguments: argparse.Namespace, whole: bool) -> None:
    everything = read_deeppcb(data_folder("deeppcb"))
    calibration = choose(everything, arguments.calibration, SEED)
    names = {pair.name for pair in calibration}
    judged = choose([pair for pair in everything if pair.name not in names], arguments.pairs, SEED)
    info = _info(arguments.model)
    models, text = _made(arguments, lambda: tiles_of_pairs(calibration, (info.height, info.width)))
    lines = [f"{'':<12}{'AP':>9}{'lost':>9}{'best F1':>9}{'precision':>11}{'recall':>9}{'verdicts':>20}"]
    plain = 0.0
    inspections = inspected(judged, list(models.values()), arguments.jobs)
    for place, (precision, model) in enumerate(models.items()):
        report = summarise(judged, [each[place] for each in inspections], _info(model), None)
        scores = report.official
        plain = plain or scores.average_precision
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in report.verdicts.items() if count)
        lines.append(
            f"{precision:<12}{scores.average_precision:>9.4f}{plain - scores.average_precision:>9.4f}"
            f"{scores.best_f1:>9.4f}{scores.precision:>11.4f}{scores.recall:>9.4f}{verdicts:>20}"
        )
    data = (
        f"DeepPCB trainval.txt, official protocol: {len(calibration)} pairs to calibrate, {len(judged)} others judged"
    )
    record(f"{NAME}-deeppcb", claim=CLAIM, data=data, model=info, result="\n".join([*lines, "", text]), keep=whole)


def _connectors(arguments: argparse.Namespace, whole: bool) -> None:
    models, text = _made(arguments, lambda: _synthetic(arguments))
    own = _info(arguments.model).threshold
    lines = [
        f"{'':<12}{'pair':<8}{'objects found':>15}{'false at 0.1':>14}{f'false at {own:g}':>14}{'lowest score':>14}"
    ]
    pairs = read_pairs(data_folder("connectors"))
    registered = [Registrar().register(read_image(pair.test), recipe_of(pair, None)) for pair in pairs]
    for precision, model in models.items():
        inspector = Inspector(load_engine(model, threads=arguments.jobs))
        for pair, part in zip(pairs, registered, strict=True):
            assert isinstance(part, Registered), part.reasons
            seen = inspector.look(part)
            assert isinstance(seen, Seen), seen.reasons
            found: dict[float, list[float]] = {}
            false = {}
            for threshold in (0.1, own):
                inspection = conclude(replace(seen, threshold=threshold))
                touched = [[c for c in inspection.components if _touches(c.bbox_px, box)] for box in pair.boxes]
                found[threshold] = [max((c.score for c in components), default=0.0) for components in touched]
                on_any = {id(component) for components in touched for component in components}
                false[threshold] = sum(id(component) not in on_any for component in inspection.components)
            count = sum(score > 0 for score in found[own])
            lines.append(
                f"{precision:<12}{pair.name:<8}{f'{count} of {len(pair.boxes)}':>15}{false[0.1]:>14}{false[own]:>14}"
                f"{min(found[own]):>14.3f}"
            )
    data = "connectors, 4096 x 3000; calibrated on synthetic pairs of photographs"
    result = "\n".join([*lines, "", text])
    record(f"{NAME}-connectors", claim=CLAIM, data=data, model=_info(arguments.model), result=result, keep=whole)


def _simulated(arguments: argparse.Namespace, whole: bool) -> None:
    models, text = _made(arguments, lambda: _synthetic(arguments))
    lines = [f"{'':<12}{'objects found':>15}{'clean parts NG':>16}{'verdicts as float32':>21}"]
    expected: list[str] = []
    for precision, model in models.items():
        report, outcomes = evaluate_parts(
            CONNECTORS, arguments.parts, model, seed=SEED, share=0.5, threshold=None, jobs=arguments.jobs
        )
        verdicts = [outcome.verdict.value for outcome in outcomes]
        expected = expected or verdicts
        same = sum(one == other for one, other in zip(verdicts, expected, strict=True))
        found = f"{sum(report.found.values())} of {sum(report.objects.values())}"
        clean = f"{report.clean_ng} of {report.clean}"
        lines.append(f"{precision:<12}{found:>15}{clean:>16}{f'{same} of {len(verdicts)}':>21}")
    data = f"{arguments.parts} simulated parts of {', '.join(CONNECTORS)}; calibrated on synthetic pairs of photographs"
    result = "\n".join([*lines, "", text])
    record(f"{NAME}-simulated", claim=CLAIM, data=data, model=_info(arguments.model), result=result, keep=whole)


def _made(arguments: argparse.Namespace, cut: Callable[[], TileSet]) -> tuple[Models, str]:
    """The float32 model and one of each precision, in a folder for temporary files; and what is to be said of them."""
    source = arguments.model or shipped_model()
    folder = pictures_folder(NAME) / arguments.data
    files = {precision: folder / f"{precision}.onnx" for precision in ("fp16", "int8+fp16", "int8")}
    began = time.monotonic(), time.process_time()
    tiles = cut()
    cutting = time.monotonic() - began[0]
    mixed = to_int8(source, tiles, files["int8+fp16"], method="auto", mixed_fp16=True, threads=arguments.jobs)
    wall, busy = time.monotonic() - began[0], time.process_time() - began[1]
    whole = to_int8(source, tiles, files["int8"], method=mixed.method, budget=Budget(0), threads=arguments.jobs)
    half = to_fp16(source, files["fp16"])
    first = f"{tiles.pairs} pairs to an INT8 model: {wall / 60:.1f} minutes, {cutting / 60:.1f} to register and cut"
    lines = [
        f"{first}; {busy / 60:.1f} minutes of processor time on {arguments.jobs} threads",
        *(f"not used: {name}: {reason}" for name, reason in tiles.skipped),
        "",
        "INT8 with FP16 for the rest, layer by layer:",
        table(mixed),
        "",
        *(_compiled(files[made.precision], made) for made in (half, whole, mixed)),
    ]
    print("\n".join(lines), flush=True)
    return {"fp32": source, **files}, "\n".join(lines)


def _compiled(file: Path, report: PrecisionReport) -> str:
    if not available():
        return f"{report.precision}: NVIDIA's compiler is not installed"
    found, by_type = shares(onnx.load(file), {layer.name: layer.macs for layer in report.layers})
    told = ", ".join(f"{share:.1%} in {kind}" for kind, share in by_type.items())
    other = [layer.name for layer in report.layers if found[layer.name] != layer.precision]
    as_said = "each as the graph says" if not other else f"NOT as the graph says: {', '.join(other)}"
    return f"{report.precision} by NVIDIA's compiler: {told}; {as_said}"


def _synthetic(arguments: argparse.Namespace) -> TileSet:
    info = _info(arguments.model)
    photographs = Photographs(data_folder("backgrounds"))
    return tiles_of_photographs(photographs, (info.height, info.width), arguments.calibration)


def _info(model: Path | None) -> ModelInfo:
    engine = load_engine(model, threads=1)
    engine.close()
    return engine.info


def _touches(first: tuple[int, int, int, int], box: tuple[float, ...]) -> bool:
    return first[0] < box[2] and box[0] < first[2] and first[1] < box[3] and box[1] < first[3]


if __name__ == "__main__":
    run(main)
