"""Judges a run of cnn-gan offline, with vectors that gradient steps refine beyond what the encoder finds.

The thesis searches the vector by gradients alone. Here the encoder's is the start, and a few steps follow. An ONNX
file has no gradients, so this takes the training run, and PyTorch.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from build_engine.datasets.one_class import good_pictures
from build_engine.evaluation.anomaly import judge_maps
from build_engine.evaluation.one_class import TIMED, Judged, labelled
from build_engine.networks.cnn_gan import CnnGan
from build_engine.networks.single import KIND
from build_engine.onnx_export import weights_digest
from build_engine.training.encoder import calibrate
from build_engine.training.gan_detector import unseen
from build_engine.training.single_checkpoint import load_network
from edge_agent.engines import ModelInfo
from edge_agent.errors import ModelError

RATE = 0.05
BATCH = 250
THRESHOLD = 0.5  # where `calibrate` puts the limit


def refine(network: CnnGan, pictures: Tensor, steps: int) -> Tensor:
    """Vectors [N, latent] that paint pictures, float [N, C, S, S], better than the encoder's.

    Adam goes down the residual loss L_n; each picture keeps the best vector that it met, so that it never gets worse.
    """
    with torch.no_grad():
        best: Tensor = network.encoder(pictures)
        lowest = network.losses(pictures, best)[0]
    vectors = best.clone().requires_grad_()
    optimiser = torch.optim.Adam([vectors], RATE)
    for _ in range(steps):
        optimiser.zero_grad()
        network.losses(pictures, vectors)[0].sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            loss = network.losses(pictures, vectors)[0]
            better = loss < lowest
            lowest = torch.where(better, loss, lowest)
            best = torch.where(better[:, None], vectors, best)
    return best.detach()


def judge_refined(
    run: Path, source: Path, steps: int, *, normal: int | None = None, threshold: float | None = None
) -> Judged:
    """As `judge_model`, of a run of cnn-gan. λ and the limit are set anew, on the good pictures held back.

    Raises:
        ModelError: the run is of another network, or has not ended.
        DatasetError: no test set, or no good training pictures beside it.
    """
    network = load_network(run)
    if not isinstance(network, CnnGan):
        raise ModelError(f"is a run of {network.name}", where=str(run), mend="only cnn-gan can be refined")
    network.requires_grad_(False)
    tests = labelled(source, network.size, normal)
    held_back = network.pictures(torch.from_numpy(unseen(good_pictures(source, network.size, normal))))
    calibrate(network, held_back, _in_parts(network, held_back, steps))
    pictures = network.pictures(torch.from_numpy(tests.pictures))
    vectors = _in_parts(network, pictures, steps)
    with torch.no_grad():
        parts = zip(torch.split(pictures, BATCH), torch.split(vectors, BATCH), strict=True)
        maps = torch.cat([network.maps(*part) for part in parts]).numpy()
    limit = threshold or THRESHOLD
    info = ModelInfo(network.name, f"refined by {steps} steps", KIND, limit, weights_digest(network), *network.size)
    report = judge_maps(maps, tests.anomalous, tests.masks, limit)
    return Judged(info, tests, maps, report, _fps(network, pictures, steps))


def _in_parts(network: CnnGan, pictures: Tensor, steps: int) -> Tensor:
    return torch.cat([refine(network, part, steps) for part in torch.split(pictures, BATCH)])


def _fps(network: CnnGan, pictures: Tensor, steps: int) -> float:
    """The median over a few pictures, one at a time, encoder and steps together."""
    seconds = []
    for picture in torch.split(pictures[:TIMED], 1):
        began = time.perf_counter()
        refine(network, picture, steps)
        seconds.append(time.perf_counter() - began)
    return 1 / float(np.median(seconds))
