"""Export of a network that judges one picture, and proof that the file says the same."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from build_engine.networks.single import KIND, SingleNetwork
from build_engine.onnx_export import OPSET, weights_digest, write_checked
from edge_agent.engines import load_engine

# A score layer's values have no bounds, and small differences grow in front of the sigmoid; and a pixel whose
# similarity lies on the rim of a level of the texture branch falls to one side or to the other.
TOLERANCE = 0.05
VIEW = "whole"  # these networks see the whole region, resized, not tiles of it


def export_single(network: SingleNetwork, file: Path, *, version: str, threshold: float) -> float:
    """Write the ONNX file of kind "single", checked against PyTorch.

    Args:
        network: with its weights, calibrated.
        file: to write.
        version, threshold: metadata of the file; see docs/training.md, "The model file".

    Returns:
        The largest difference between ONNX Runtime's and PyTorch's score maps on random pictures.

    Raises:
        ModelError: that difference exceeds TOLERANCE.
    """
    network = network.eval()
    metadata = {
        "network": network.name,
        "version": version,
        "kind": KIND,
        "view": VIEW,
        "threshold": repr(threshold),
        "weights_sha256": weights_digest(network),
    }
    return write_checked(file, partial(_write, network), metadata, partial(_largest_difference, network), TOLERANCE)


def _write(network: SingleNetwork, file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of this exporter, which is used on purpose: see onnx_export
        torch.onnx.export(
            network,
            (torch.randint(0, 256, (2, *network.size, 3), dtype=torch.uint8),),
            str(file),
            input_names=["test"],
            output_names=["score"],
            opset_version=OPSET,
            dynamic_axes={"test": {0: "N"}, "score": {0: "N"}},
            dynamo=False,
        )


def _largest_difference(network: SingleNetwork, file: Path) -> float:
    """Largest absolute difference of the score maps on smooth and on noisy random pictures, engine against PyTorch."""
    engine = load_engine(file)
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (3, 3, 8, 8)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, network.size, mode="bilinear").permute(0, 2, 3, 1).numpy()
    test = np.concatenate([smooth.astype(np.uint8), rng.integers(0, 256, (2, *network.size, 3), dtype=np.uint8)])
    with torch.no_grad():
        expected = network(torch.from_numpy(test)).numpy()
    difference = float(np.abs(engine.infer(test, test) - expected).max())
    engine.close()
    return difference
