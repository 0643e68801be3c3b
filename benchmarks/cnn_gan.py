"""CNN + GAN: on MNIST, each digit in turn the good one; on CIFAR-10's automobiles; on categories of MVTec AD.

Trains what is not there yet, so that it can be stopped and started; the runs stay in the folder for temporary files.
`--refine` judges each run once more with vectors that gradient steps have refined.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.cli.main import main as build_engine
from build_engine.evaluation.anomaly import best_f1
from build_engine.evaluation.anomaly_sheet import write_sheet
from build_engine.evaluation.one_class import Judged, judge_model
from build_engine.evaluation.refining import judge_refined
from build_engine.training.encoder import EncoderSettings
from build_engine.training.gan import GanSettings
from build_engine.training.single_checkpoint import load
from edge_agent.errors import MatecheckError

CLAIMS = {
    "mnist": "one digit good, nine anomalous, mean of ten: F1 >= 0.9876 (anomalous is positive), AUROC beside",
    "cifar": "automobiles good, nine other classes anomalous: F1 >= 0.8916, AUROC beside",
    "mvtec": "good parts against all defects; published mean F1 of all categories, at 28 x 28: 0.7945",
}
HEAD = (
    "good        AUROC  best F1  balanced there  F1 of all  | at the model's own threshold: F1  precision  recall"
    "  balanced   fps  minutes"
)
MEANS = ("image_auroc", "best_f1", "best_f1_balanced", "f1_of_all", "f1", "precision", "recall", "balanced_accuracy")
NOTES = """
best F1: of the threshold that is best on these very pictures, as papers print it; balanced there: balanced accuracy
at that threshold. The model's own threshold was set by good training pictures that were held back. F1 of all: of
calling every picture anomalous. fps: one at a time, one thread. minutes: of training, by the clock, on one shared core.
Kinds of pseudo-anomalies and their weights were chosen while figures of test digits 2, 4 and 5 were seen. The encoder,
its training and all weights of the score were chosen on training files alone: other digits of x_train beside held-back
4 and 8; photographs of other things, shrunk to 30 x 30, beside held-back automobiles. All digits and data sets use the
same settings, and test pictures were looked at when these stood."""
CIFAR_SHARE = 5  # 200 of each other class are there, of 1,000 in the whole test set


@dataclass(frozen=True)
class Case:
    """One thing to be good: its name, the data, and the digit of MNIST."""

    name: str
    source: Path
    normal: int | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=tuple(CLAIMS), default="mnist")
    parser.add_argument("--iterations", type=int, default=GanSettings.iterations, help="of the generator")
    parser.add_argument("--encoder-iterations", type=int, default=EncoderSettings.iterations)
    parser.add_argument("--size", type=int, choices=(64, 128), default=64, help="of mvtec's pictures")
    parser.add_argument("--digits", type=int, nargs="*", default=list(range(10)))
    parser.add_argument("--categories", nargs="+", default=["bottle", "screw"], help="folders of mvtec_256/")
    parser.add_argument("--refine", type=int, metavar="STEPS", help="judge once more, with refined vectors")
    arguments = parser.parse_args()
    cases = _cases(arguments)
    runs = [_trained(arguments, case) for case in cases]
    judged = [
        judge_model(folder / "model.onnx", c.source, normal=c.normal, threads=1) for c, folder in _zip(cases, runs)
    ]
    rows = [HEAD]
    for case, folder, one in zip(cases, runs, judged, strict=True):
        write_sheet(one, folder / "maps.png")
        rows.append(_row(case.name, one, _minutes(folder)))
        if arguments.refine:
            better = judge_refined(folder, case.source, arguments.refine, normal=case.normal)
            rows.append(_row(f"{case.name}, {arguments.refine}", better, _minutes(folder)))
    if len(cases) > 1:
        rows.append(_mean(judged))
    if arguments.data == "cifar":
        rows += ["", _whole_cifar(judged[0])]
    rows += [NOTES, _budget(arguments, runs)]
    if arguments.refine:
        rows.append(f"A row with a number: vectors refined by as many steps of gradients, {arguments.refine}.")
    record(
        _name(arguments),
        claim=CLAIMS[arguments.data],
        data=_data(arguments),
        model=judged[0].info,
        result="\n".join(rows),
        keep=True,
    )


def _cases(arguments: argparse.Namespace) -> list[Case]:
    if arguments.data == "mnist":
        return [Case(str(digit), data_folder("mnist") / "mnist.npz", digit) for digit in arguments.digits]
    if arguments.data == "cifar":
        return [Case("automobile", data_folder("cifar10") / "automobile.npz")]
    return [Case(name, data_folder("mvtec_256") / name) for name in arguments.categories]


def _name(arguments: argparse.Namespace) -> str:
    parts = ["cnn_gan-" + arguments.data]
    if arguments.data == "mnist" and len(arguments.digits) < 10:
        parts.append("digits-" + "-".join(map(str, arguments.digits)))
    return "-".join(parts + ["refined"] * bool(arguments.refine))


def _data(arguments: argparse.Namespace) -> str:
    return {
        "mnist": "MNIST test set, 10,000",
        "cifar": "CIFAR-10 test set: 1,000 automobiles, 1,800 others (200 a class)",
        "mvtec": f"MVTec AD: {', '.join(arguments.categories)}, at {arguments.size} x {arguments.size}",
    }[arguments.data]


def _zip(cases: list[Case], runs: list[Path]) -> list[tuple[Case, Path]]:
    return list(zip(cases, runs, strict=True))


def _trained(arguments: argparse.Namespace, case: Case) -> Path:
    """The folder of a run with its export."""
    size = f"-{arguments.size}" if arguments.data == "mvtec" else ""
    name = f"{arguments.data}-{case.name}{size}-{arguments.iterations}-{arguments.encoder_iterations}"
    folder = pictures_folder("cnn_gan") / name
    if not (folder / "model.onnx").exists():
        command = ["train", "--network", "cnn-gan", "--data", str(case.source), "--output", str(folder)]
        command += [] if case.normal is None else ["--normal", str(case.normal)]
        command += [
            "--iterations",
            str(arguments.iterations),
            "--encoder-iterations",
            str(arguments.encoder_iterations),
        ]
        command += ["--size", str(arguments.size)] if size else []
        command += ["--resume"] if (folder / "single.pt").exists() else []
        if build_engine(command) or build_engine(["export", str(folder), "--output", str(folder / "model.onnx")]):
            raise MatecheckError("training has failed", where=str(folder))
    return folder


def _history(folder: Path) -> list[dict[str, float]]:
    history: list[dict[str, float]] = load(folder)["history"]
    return history


def _minutes(folder: Path) -> float:
    return sum(row["seconds"] for row in _history(folder)) / 60


def _row(name: str, judged: Judged, minutes: float) -> str:
    r = judged.report
    return _line(name, [getattr(r, key) for key in MEANS]) + f"  {judged.fps:4.0f}  {minutes:7.1f}"


def _mean(judged: list[Judged]) -> str:
    return _line("mean", [float(np.mean([getattr(one.report, key) for one in judged])) for key in MEANS])


def _line(name: str, v: list[Any]) -> str:
    return (
        f"{name:<10} {v[0]:6.4f}   {v[1]:6.4f}          {v[2]:6.4f}     {v[3]:6.4f}  | {v[4]:31.4f}     {v[5]:6.4f}"
        f"  {v[6]:6.4f}    {v[7]:6.4f}"
    )


def _whole_cifar(judged: Judged) -> str:
    """The same pictures, weighed as in CIFAR-10's whole test set."""
    highest, anomalous = judged.maps.max(axis=(1, 2)), judged.tests.anomalous
    times = np.where(anomalous, CIFAR_SHARE, 1)
    best, _ = best_f1(highest.repeat(times), anomalous.repeat(times))
    others = int(times[anomalous].sum())
    of_all = 2 * others / (2 * others + int((~anomalous).sum()))
    return (
        f"The class share decides: with 9,000 others, as in the whole test set (each of the 1,800 counted "
        f"{CIFAR_SHARE} times),\nbest F1 is {best:.4f}, and calling all anomalous gives {of_all:.4f}. Which share the "
        "published 0.8916 had is not said."
    )


def _budget(arguments: argparse.Namespace, runs: list[Path]) -> str:
    """What the training was, and whether its losses had come to rest."""
    critic = _ends(runs, "critic_loss", 20)
    encoder = [_ends(runs, "loss", 50, share)[-1] for share in (0.25, 0.5, 0.75, 0.95, 1.0)]
    return (
        f"budget: {arguments.iterations} generator steps of {GanSettings.critic_steps} critic steps, width 0.25, "
        f"learning rate {GanSettings.learning_rate} (published: 20,000 steps\nand more, 64 features); "
        f"{arguments.encoder_iterations} encoder steps of {EncoderSettings.good} good and {EncoderSettings.spoilt} "
        f"spoilt pictures; one core.\nlosses: critic's {critic[-2]:.3f}, then {critic[-1]:.3f} over the last two "
        "periods of 20 steps; encoder's over 50 steps after\n25, 50, 75, 95 and 100 % of its training "
        f"{', '.join(f'{loss:.3f}' for loss in encoder)}"
    )


def _ends(runs: list[Path], key: str, period: int, share: float = 1.0) -> list[float]:
    """The means over all runs of the last two losses of a stage, up to a share of its whole periods."""
    curves = [[row[key] for row in _history(f) if key in row and row["iteration"] % period == 0] for f in runs]
    last = [max(2, round(share * len(curve))) for curve in curves]
    return [float(np.mean([c[n + place] for c, n in zip(curves, last, strict=True)])) for place in (-2, -1)]


if __name__ == "__main__":
    run(main)
