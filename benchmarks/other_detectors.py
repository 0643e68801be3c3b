"""PaDiM and PatchCore of anomalib beside our two detectors: same categories and machine, run in turn.

anomalib fits and exports in an environment of its own (--python); the agent's engine runs what it exported, wrapped by
`build-engine import`. On each model's maps our PRO is compared with anomalib's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx

from benchmarks.record import REPOSITORY, data_folder, pictures_folder, record, run
from build_engine.cli.main import main as build_engine
from build_engine.evaluation.anomaly_sheet import write_comparison
from build_engine.evaluation.one_class import Judged, judge_model
from edge_agent.errors import MatecheckError, UsageError

METHODS = ("padim", "patchcore")
HEAD = "category  detector        image AUROC  pixel AUROC     PRO  anomalib's PRO  best F1   fps  values in the file"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="of an environment with anomalib")
    parser.add_argument("--categories", nargs="+", default=["bottle", "screw"], help="folders of mvtec_256/")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    arguments = parser.parse_args()
    rows, first = [HEAD], None
    for category in arguments.categories:
        source, compared = data_folder("mvtec_256") / category, {}
        for name, model in _models(arguments, category, source):
            judged = compared[name] = judge_model(model, source, threads=1)
            first = first or judged.info
            rows.append(_row(category, name, judged, _pro_of_anomalib(arguments.python, judged), model))
        picture = write_comparison(compared, pictures_folder("other_detectors") / f"{category}.png")
        print(f"side by side: {picture}")
    assert first is not None
    rows += [
        "",
        "All but cnn-gan see 256 x 256 with EfficientNet-Lite0 and its ImageNet weights. PaDiM: 100 features;",
        "PatchCore: coreset of 0.5 % of the patches of every fourth training picture (anomalib: 10 % of all), which is",
        "less than it can do. cnn-gan sees 64 x 64, without pretrained weights, and is judged at that size.",
        "All run in the engine of the agent, one thread, anomalib's from the files that build-engine import wrote.",
    ]
    record(
        "other_detectors",
        claim="detectors of anomalib run in the agent's engine; PRO is anomalib's on the same maps, to 0.002",
        data=f"MVTec AD at 256 x 256: {', '.join(arguments.categories)}",
        model=first,
        result="\n".join(rows),
        keep=True,
    )


def _models(arguments: argparse.Namespace, category: str, source: Path) -> list[tuple[str, Path]]:
    models = [(name, _imported(arguments.python, name, category, source)) for name in arguments.methods]
    ours = pictures_folder("feature_fusion") / f"{category}-efficientnet-lite0-default" / "model.onnx"
    if not ours.exists():
        raise UsageError("is not there", where=str(ours), mend="run benchmarks.feature_fusion first")
    models.append(("feature-fusion", ours))
    generated = pictures_folder("cnn_gan").glob(f"mvtec-{category}-64-*/model.onnx")
    newest = sorted(generated, key=lambda model: model.stat().st_mtime)[-1:]
    return [*models, *(("cnn-gan", model) for model in newest)]


def _imported(python: Path, name: str, category: str, source: Path) -> Path:
    folder = pictures_folder("other_detectors") / f"{name}-{category}"
    model = folder / "model.onnx"
    if not model.exists():
        exported = Path(_worker(python, name, source, folder))
        if build_engine(["import", str(exported), "--name", name, "--output", str(model)]):
            raise MatecheckError("cannot be imported", where=str(exported))
    return model


def _pro_of_anomalib(python: Path, judged: Judged) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.npz"
        assert judged.tests.masks is not None, "MVTec has masks"
        np.savez(file, maps=judged.maps, masks=judged.tests.masks)
        return float(_worker(python, "pro", file, Path(folder)))


def _worker(python: Path, task: str, source: Path, output: Path) -> str:
    command = [str(python), "-m", "benchmarks.anomalib_worker", task, str(source), str(output)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MatecheckError(f"anomalib has failed: {done.stderr.strip().splitlines()[-1]}", where=task)
    return done.stdout.strip().splitlines()[-1]


def _row(category: str, name: str, judged: Judged, pro: float, model: Path) -> str:
    r = judged.report
    values = sum(int(np.prod(entry.dims)) for entry in onnx.load(model).graph.initializer)
    return (
        f"{category:<8}  {name:<14}  {r.image_auroc:11.4f}  {r.pixel_auroc:11.4f}  {r.pro:6.4f}  {pro:14.4f}"
        f"   {r.best_f1:6.4f}  {judged.fps:4.1f}  {values:18,}"
    )


if __name__ == "__main__":
    run(main)
