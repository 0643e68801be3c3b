"""Feature fusion in int8 and half beside float32: what `build-engine quantize` costs a network that judges one picture.

Takes the models that benchmarks.feature_fusion left.
"""

from __future__ import annotations

import argparse

from benchmarks.record import data_folder, pictures_folder, record, run
from build_engine.cli.main import main as build_engine
from build_engine.evaluation.one_class import Judged, judge_model
from edge_agent.errors import MatecheckError, UsageError

QUICK = ["--method", "minmax", "--float-share", "0"]  # ranges as they come, every convolution in int8
VARIANTS = {
    "int8, every convolution": ["--precision", "int8", *QUICK],
    "int8, the rest in half": ["--precision", "int8+fp16", *QUICK],
    "int8 by default": ["--precision", "int8"],  # the best ranges; the costliest convolutions stay in float
}
HEAD = f"{'':<24}image AUROC  pixel AUROC     PRO  F1 at the model's own threshold"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--category", default="bottle", help="folder of mvtec_256/")
    parser.add_argument("--variants", type=int, default=len(VARIANTS), help="how many, from the first")
    parser.add_argument("--limit", type=int, default=32, help="good pictures to calibrate on")
    arguments = parser.parse_args()
    source = data_folder("mvtec_256") / arguments.category
    folder = pictures_folder("feature_fusion") / f"{arguments.category}-efficientnet-lite0-default"
    model = folder / "model.onnx"
    if not model.exists():
        raise UsageError("is not there", where=str(model), mend="run benchmarks.feature_fusion first")
    judged = judge_model(model, source, threads=1)
    rows = [HEAD, _row("float32", judged)]
    for number, (name, options) in enumerate(list(VARIANTS.items())[: arguments.variants]):
        output = folder / f"quantised-{number}.onnx"
        command = ["quantize", "--model", str(model), "--output", str(output), *options, "--threads", "1"]
        if build_engine([*command, "--one-class", str(source), "--limit", str(arguments.limit)]):
            raise MatecheckError("cannot be quantised", where=str(model))
        rows.append(_row(name, judge_model(output, source, threads=1)))
    rows += ["", f"Calibrated on {arguments.limit} good pictures of train/; one seed. Judged in ONNX Runtime on a CPU."]
    record(
        "fusion_precision" if arguments.category == "bottle" else f"fusion_precision-{arguments.category}",
        claim="int8 costs the feature fusion network less than 0.01 of any AUROC",
        data=f"MVTec AD at 256 x 256: {arguments.category}",
        model=judged.info,
        result="\n".join(rows),
        keep=True,
    )


def _row(name: str, judged: Judged) -> str:
    r = judged.report
    return f"{name:<24}{r.image_auroc:11.4f}  {r.pixel_auroc:11.4f}  {r.pro:6.4f}  {r.f1:31.4f}"


if __name__ == "__main__":
    run(main)
