"""NVIDIA's ModelOpt beside our own INT8: the same float32 graph, the same calibration tiles, the same pairs to judge.

ModelOpt quantises in an environment of its own (--python), with its defaults: where it puts Q/DQ is its choice. All
models are then run by the agent's engine, and built by NVIDIA's compiler. What it has made is kept outside the
repository: the command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from benchmarks.inspected import inspected
from benchmarks.precision import CALIBRATION_PAIRS, SEED
from benchmarks.record import REPOSITORY, data_folder, pictures_folder, record, run
from build_engine.datasets import AnnotatedPair, read_deeppcb
from build_engine.evaluation.agreement import AgreementLimits, compare
from build_engine.evaluation.evaluation import choose
from build_engine.evaluation.report import summarise
from build_engine.precision import TileSet, lint, tiles_of_pairs
from build_engine.precision.graph import convolutions, prepared
from build_engine.precision.nvidia_compiler import shares
from build_engine.precision.search import Judge
from edge_agent.engines import ModelInfo
from edge_agent.engines.artifact import shipped_model
from edge_agent.errors import MatecheckError, UsageError
from edge_agent.inspection.inspection import Inspection

NAME = "modelopt"
PAIRS, TRIED = 200, 24
CLAIM = "whether ModelOpt makes a better INT8 model than ours: smaller differences, more in int8, or a higher AP"
HEAD = f"{'':<30}{'rms':>9}{'mean':>9}{'sides':>7}{'AP':>9}{'lost':>9}{'best F1':>9}{'agree':>7}{'int8':>8}{'lint':>6}"


@dataclass(frozen=True)
class Made:
    """A quantised model, and how it was made."""

    name: str
    file: Path
    minutes: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="of an environment with nvidia-modelopt[onnx]")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of DeepPCB to judge")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    everything = read_deeppcb(data_folder("deeppcb"))
    calibration = choose(everything, CALIBRATION_PAIRS, SEED)
    names = {pair.name for pair in calibration}
    judged = choose([pair for pair in everything if pair.name not in names], arguments.pairs, SEED)
    graph, info = prepared(shipped_model())
    size = info.height, info.width
    folder = pictures_folder(NAME)
    version, theirs = _of_modelopt(arguments.python, graph, lambda: tiles_of_pairs(calibration, size), folder)
    made = [*_ours(), *theirs]
    judge = Judge(graph, tiles_of_pairs(judged, size, limit=TRIED).batches, info.threshold, arguments.jobs)
    inspections = inspected(judged, [shipped_model(), *(each.file for each in made)], arguments.jobs)
    plain = _average_precision(judged, [each[0] for each in inspections], info)[0]
    macs = {layer.name: layer.macs for layer in convolutions(graph)}
    lines = [HEAD, f"{'float32':<57}{plain:>7.4f}"]
    for place, each in enumerate(made, 1):
        pairs = [(of_pair[0], of_pair[place]) for of_pair in inspections]
        lines.append(_row(each, judge, judged, pairs, info, plain, macs))
    lines += [
        "",
        f"rms, mean: of the difference from float32's scores, on {TRIED} tiles of the judged pairs; sides: pixels that",
        f"change sides at the threshold. agree: pairs of {len(judged)} with the same objects as under float32, within",
        "the limits of calibrate's gate. int8: share of the arithmetic, by NVIDIA's compiler. lint: what ours finds.",
        *(f"{each.name}: quantised in {each.minutes:.1f} minutes" for each in made if each.minutes is not None),
    ]
    record(
        NAME,
        claim=CLAIM,
        data=f"DeepPCB trainval.txt: {len(calibration)} pairs to calibrate, {len(judged)} others; ModelOpt {version}",
        model=info,
        result="\n".join(lines),
        keep=arguments.pairs == PAIRS,
    )


def _ours() -> list[Made]:
    """Those that are recorded for DeepPCB."""
    folder = pictures_folder("precision") / "deeppcb"
    made = [Made(f"ours, {kind}", folder / f"{kind}.onnx") for kind in ("int8+fp16", "int8")]
    for each in made:
        if not each.file.exists():
            raise UsageError("is not there", where=str(each.file), mend="run benchmarks.precision deeppcb first")
    return made


def _of_modelopt(
    python: Path, graph: onnx.ModelProto, cut: Callable[[], TileSet], folder: Path
) -> tuple[str, list[Made]]:
    """What ModelOpt makes of the graph that ours starts from, norms folded."""
    plain, data = folder / "prepared.onnx", folder / "tiles.npz"
    version, made = "", []
    for method in ("max", "entropy"):
        file = folder / f"modelopt-{method}.onnx"
        told_file = file.with_suffix(".json")
        if not told_file.exists():
            onnx.save(graph, plain)
            test, template = (np.concatenate(batches) for batches in zip(*cut(), strict=True))
            np.savez(data, test=test, template=template)
            command = [str(python), "-m", "benchmarks.modelopt_worker", str(plain), str(data), str(file)]
            said = _run([*command, "--method", method])
            _named(file, graph)
            told_file.write_text(said, encoding="utf-8")
        told = json.loads(told_file.read_text(encoding="utf-8"))
        version = told["version"]
        made.append(Made(f"ModelOpt, {method}, int8+fp16", file, told["minutes"]))
    return version, made


def _run(command: Sequence[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MatecheckError(f"ModelOpt has failed: {done.stderr.strip().splitlines()[-1]}", where=" ".join(command))
    return done.stdout.strip().splitlines()[-1]


def _named(file: Path, graph: onnx.ModelProto) -> None:
    """Give it the metadata of ours, which ModelOpt may have dropped: the agent's engine asks for it."""
    model = onnx.load(file)
    kept = {entry.key: entry.value for entry in graph.metadata_props}
    onnx.helper.set_model_props(model, kept | {"precision": "int8+fp16"})
    onnx.save(model, file)


def _average_precision(
    pairs: Sequence[AnnotatedPair], inspections: Sequence[Inspection], info: ModelInfo
) -> tuple[float, float]:
    scores = summarise(pairs, inspections, info, None).official
    return scores.average_precision, scores.best_f1


def _row(
    made: Made,
    judge: Judge,
    judged: Sequence[AnnotatedPair],
    pairs: Sequence[tuple[Inspection, Inspection]],
    info: ModelInfo,
    plain: float,
    macs: dict[str, int],
) -> str:
    model = onnx.load(made.file)
    gap = judge.difference(model)
    precision, best_f1 = _average_precision(judged, [after for _, after in pairs], info)
    agree = sum(not compare(*pair, info.threshold, AgreementLimits()).differences for pair in pairs)
    _, by_type = shares(model, macs)
    return (
        f"{made.name:<30}{gap.rms:>9.5f}{gap.mean:>9.5f}{gap.changed:>7}{precision:>9.4f}{plain - precision:>9.4f}"
        f"{best_f1:>9.4f}{agree:>7}{by_type.get('int8', 0.0):>8.1%}{len(lint(model)):>6}"
    )


if __name__ == "__main__":
    run(main)
