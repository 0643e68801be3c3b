"""The half of benchmarks.anomalib that runs in anomalib's own environment: fit, export, measure PRO."""

from __future__ import annotations

# ruff: noqa: E402 - the names below must be there before anomalib is imported
import argparse
import contextlib
import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

# torchvision's compiled part may be built for CUDA beside a PyTorch for the CPU; all that it then misses are two names.
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
for _name in ("nms", "qnms"):
    with contextlib.suppress(RuntimeError):  # it is there
        _LIBRARY.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]

from anomalib.data import MVTecAD
from anomalib.engine import Engine
from anomalib.metrics.aupro import _AUPRO
from anomalib.models import Padim, Patchcore
from anomalib.pre_processing import PreProcessor
from torchvision.transforms.v2 import Compose, Normalize, Resize

from build_engine.networks.backbones import load_backbone

CORESET, EVERY = 0.005, 4  # of the patches of every fourth picture; anomalib's 0.1 of all takes hours without a GPU
LAYERS = ["_blocks.2", "_blocks.4", "_blocks.10"]  # stride 4, 8 and 16 of EfficientNet-Lite0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("padim", "patchcore", "pro"))
    parser.add_argument("source", type=Path, help="a category of MVTec AD, or for pro an npz of maps and masks")
    parser.add_argument("output", type=Path, help="folder for the export")
    arguments = parser.parse_args()
    if arguments.task == "pro":
        print(_pro(arguments.source))
        return
    began = time.monotonic()
    model = _model(arguments.task)
    root = _as_png(arguments.source, arguments.output / "data", EVERY if arguments.task == "patchcore" else 1)
    data = MVTecAD(root=root, category=arguments.source.name, train_batch_size=16, num_workers=0)
    engine = Engine(accelerator="cpu", max_epochs=1, default_root_dir=arguments.output, enable_progress_bar=False)
    engine.fit(model, datamodule=data)
    print(f"minutes {(time.monotonic() - began) / 60:.2f}", file=sys.stderr)
    print(engine.export(model, export_type="onnx", export_root=arguments.output, input_size=(256, 256)))


def _as_png(source: Path, folder: Path, every: int) -> Path:
    """The category with PNG files alone, which is all that anomalib's reader of MVTec AD looks at.

    Of the training pictures one in `every` is taken.
    """
    shutil.rmtree(folder, ignore_errors=True)
    good = sorted((source / "train").rglob("*.*"))
    left_out = {file for number, file in enumerate(good) if number % every}
    for file in sorted(path for path in source.rglob("*") if path.is_file() and path not in left_out):
        copy = (folder / source.name / file.relative_to(source)).with_suffix(".png")
        copy.parent.mkdir(parents=True, exist_ok=True)
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        assert picture is not None, file
        cv2.imwrite(str(copy), picture)
    return folder


def _model(name: str) -> Padim | Patchcore:
    backbone = load_backbone("efficientnet-lite0").eval()
    scale = Normalize(mean=[127 / 255] * 3, std=[128 / 255] * 3)
    common = {"backbone": backbone, "pre_trained": False}
    common["pre_processor"] = PreProcessor(transform=Compose([Resize((256, 256), antialias=True), scale]))
    if name == "padim":
        return Padim(layers=LAYERS, n_features=100, **common)
    return Patchcore(layers=LAYERS[1:], coreset_sampling_ratio=CORESET, **common)


def _pro(source: Path) -> float:
    with np.load(source) as arrays:
        metric = _AUPRO(fpr_limit=0.3)
        metric.update(torch.from_numpy(arrays["maps"]), torch.from_numpy(arrays["masks"]).int())
    return float(metric.compute())


if __name__ == "__main__":
    main()
