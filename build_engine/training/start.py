"""A run that begins with the weights of another network instead of random ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from build_engine.networks.similarity_contrast import PairNetwork
from build_engine.onnx_export import weights_digest
from build_engine.onnx_import import read_network, recentre
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.loop import starting
from build_engine.training.settings import TrainingSettings

RECENTRED_ON = 8  # batches

Start = tuple[PairNetwork, str]  # a network and its name


def load_start(path: Path) -> Start:
    """The network to start from and its name: out of an ONNX file of ours, or of the folder of a training run.

    Raises:
        ModelError: it cannot be read or does not suit.
    """
    if path.suffix == ".onnx":
        return read_network(path)
    run = Checkpoint.load(path / FILE)
    return run.network(), run.settings.network


def begun(start: Start, settings: TrainingSettings, pairs: Iterable[tuple[Tensor, Tensor]]) -> Checkpoint:
    """A run that has not begun, with the weights of `start`, which is changed.

    Args:
        start: what to begin with; its network, width and norm go into the settings.
        settings: of the run.
        pairs: some batches of test and template uint8 [N, H, W, 3] of what it will be trained on.
    """
    network, name = start
    digest = weights_digest(network)[:12]
    chosen = replace(settings, network=name, width=network.width, norm=network.norm, start=digest)
    torch.manual_seed(settings.seed)
    recentre(network, pairs)
    return starting(chosen, network)
