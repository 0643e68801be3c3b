"""CNN + GAN on MNIST, each digit in turn the good one, or on CIFAR-10's automobiles: train, export, judge.

Trains what is not there yet, so that it can be stopped and started; the runs stay in the folder for temporary files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.cli.main import main as build_engine
from build_engine.evaluation.anomaly_sheet import write_sheet
from build_engine.evaluation.one_class import Judged, judge_model
from build_engine.training.single_checkpoint import load
from edge_agent.errors import MatecheckError

CLAIMS = {
    "mnist": "one digit good, nine anomalous, mean of ten: F1 >= 0.9876 (anomalous is positive), AUROC beside",
    "cifar": "automobiles good, nine other classes anomalous: F1 >= 0.8916, AUROC beside",
}
HEAD = (
    "good   AUROC  best F1  F1 of all  balanced  | at the model's own threshold: F1  precision  recall   fps  minutes"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("mnist", "cifar"), default="mnist")
    parser.add_argument("--iterations", type=int, default=250, help="of the generator")
    parser.add_argument("--encoder-iterations", type=int, default=500)
    parser.add_argument("--width", default="0.25", help="factor on the published 64 features")
    parser.add_argument("--learning-rate", default="0.0005", help="of the generator; published 0.0001")
    parser.add_argument("--digits", type=int, nargs="*", default=list(range(10)))
    arguments = parser.parse_args()
    digits = arguments.digits if arguments.data == "mnist" else [None]
    source = _source(arguments.data)
    judged = [_trained(arguments, source, digit) for digit in digits]
    rows = [HEAD] + [_row(digit, one, minutes) for digit, (one, minutes) in zip(digits, judged, strict=True)]
    reports = [one.report for one, _ in judged]
    if len(reports) > 1:
        means = [np.mean([getattr(r, key) for r in reports]) for key in ("image_auroc", "best_f1", "f1_of_all")]
        balanced, f1 = (np.mean([getattr(r, key) for r in reports]) for key in ("balanced_accuracy", "f1"))
        rows.append(f"mean  {means[0]:6.4f}   {means[1]:6.4f}     {means[2]:6.4f}    {balanced:6.4f}  | {f1:31.4f}")
    published = "20,000 and more steps of the generator with 64 features"
    rows += [
        "",
        "best F1: of the threshold that is best on these very pictures, as published; balanced: balanced accuracy at",
        "the model's own threshold, which good training pictures that were held back have set. F1 of all: of calling",
        "every picture anomalous.",
        f"budget: {arguments.iterations} generator steps of 5 critic steps, {arguments.encoder_iterations} encoder",
        f"steps, width {arguments.width}, learning rate {arguments.learning_rate}, one core; published: {published}",
    ]
    record(
        f"cnn_gan-{arguments.data}" + ("" if len(digits) in {1, 10} else "-digits-" + "-".join(map(str, digits))),
        claim=CLAIMS[arguments.data],
        data="MNIST test set, 10,000" if arguments.data == "mnist" else "CIFAR-10: 1,000 automobiles, 1,800 others",
        model=judged[0][0].info,
        result="\n".join(rows),
        keep=True,
    )


def _source(data: str) -> Path:
    return data_folder("mnist") / "mnist.npz" if data == "mnist" else data_folder("cifar10") / "automobile.npz"


def _trained(arguments: argparse.Namespace, source: Path, digit: int | None) -> tuple[Judged, float]:
    name = f"{arguments.data}-{digit}-{arguments.width}-{arguments.iterations}-{arguments.encoder_iterations}"
    folder = pictures_folder("cnn_gan") / name
    normal = [] if digit is None else ["--normal", str(digit)]
    model = folder / "model.onnx"
    if not model.exists():
        command = ["train", "--network", "cnn-gan", "--data", str(source), *normal, "--output", str(folder)]
        command += ["--iterations", str(arguments.iterations), "--learning-rate", arguments.learning_rate]
        command += ["--encoder-iterations", str(arguments.encoder_iterations), "--width", arguments.width]
        if (folder / "single.pt").exists():
            command += ["--resume"]
        if build_engine(command) or build_engine(["export", str(folder), "--output", str(model)]):
            raise MatecheckError("training has failed", where=str(folder))
    judged = judge_model(model, source, normal=digit, threads=1)
    write_sheet(judged, folder / "maps.png")
    return judged, sum(row["seconds"] for row in load(folder)["history"]) / 60


def _row(digit: int | None, judged: Judged, minutes: float) -> str:
    r = judged.report
    name = "auto" if digit is None else str(digit)
    return (
        f"{name:<4}  {r.image_auroc:6.4f}   {r.best_f1:6.4f}     {r.f1_of_all:6.4f}    {r.balanced_accuracy:6.4f}"
        f"  | {r.f1:31.4f}     {r.precision:6.4f}  {r.recall:6.4f}  {judged.fps:4.0f}  {minutes:7.1f}"
    )


if __name__ == "__main__":
    run(main)
