"""Export of a trained network as the ONNX file that the agent loads, and proof that it says the same."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch

from build_engine.networks.similarity_contrast import PairNetwork
from edge_agent.engines import load_engine
from edge_agent.errors import ModelError

OPSET = 18  # later ones export norms in a form that quantisers break on
TOLERANCE = 1e-4


def export(
    network: PairNetwork, file: Path, *, name: str, version: str, threshold: float, size: tuple[int, int]
) -> float:
    """Write the ONNX file, checked against PyTorch.

    Args:
        network: with its weights.
        name, version, threshold: metadata of the file; see docs/training.md, "The model file".
        size: height and width of a tile in pixels, fixed in the file; N stays dynamic.

    Returns:
        The largest difference between ONNX Runtime's and PyTorch's score maps on random pairs.

    Raises:
        ModelError: that difference exceeds TOLERANCE, or the size does not suit the network.
    """
    height, width = size
    if height % network.multiple or width % network.multiple:
        raise ModelError(f"tile size must be multiples of {network.multiple}, but got {height} × {width}")
    network = network.eval()
    metadata = {
        "network": name,
        "width": repr(network.width),
        "norm": network.norm,
        "version": version,
        "kind": "pair",
        "threshold": repr(threshold),
        "weights_sha256": weights_digest(network),
    }
    return write_checked(
        file, lambda aside: _write(network, aside, size), metadata, partial(largest_difference, network), TOLERANCE
    )


def write_checked(
    file: Path,
    write: Callable[[Path], None],
    metadata: dict[str, str],
    difference_of: Callable[[Path], float],
    tolerance: float,
) -> float:
    """Write a model aside, put in its metadata, compare it with PyTorch, rename it into place; returns the difference.

    Raises:
        ModelError: the difference exceeds the tolerance.
    """
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        aside = Path(folder) / file.name
        write(aside)
        model = onnx.load(aside)
        onnx.helper.set_model_props(model, metadata)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, aside)
        difference = difference_of(aside)
        if difference > tolerance:
            raise ModelError(f"differs from PyTorch by {difference:.2g}, more than {tolerance}", where=str(file))
        aside.replace(file)
    return difference


def _write(network: PairNetwork, file: Path, size: tuple[int, int]) -> None:
    picture = torch.zeros(2, *size, 3, dtype=torch.uint8)
    names = ("test", "template", "score")
    with warnings.catch_warnings():
        # Instance norm computes its statistics at run time by design; and this exporter is used on purpose:
        # it writes opset 18 as it is, while the newer one writes another opset and converts back.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (picture, picture),
            str(file),
            input_names=list(names[:2]),
            output_names=[names[2]],
            opset_version=OPSET,
            dynamic_axes={name: {0: "N"} for name in names},
            dynamo=False,
        )


def weights_digest(network: torch.nn.Module) -> str:
    """sha256 over the names and values of all weights, hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()


def largest_difference(network: PairNetwork, file: Path) -> float:
    """Largest absolute difference of the score maps on three random pairs with differences, engine against PyTorch."""
    engine = load_engine(file)
    rng = np.random.default_rng(0)
    shape = (3, engine.info.height, engine.info.width, 3)
    template = rng.integers(0, 256, shape, dtype=np.uint8)
    test = template.copy()
    test[:, 50:90, 60:140] = rng.integers(0, 256, (3, 40, 80, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = network(torch.from_numpy(test), torch.from_numpy(template)).numpy()
    difference = float(np.abs(engine.infer(test, template) - expected).max())
    engine.close()
    return difference
