"""Training on annotated pairs, from a network that has learnt what a difference is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from build_engine.datasets.registered import RegisteredPair
from build_engine.evaluation.registered import NetworkEngine, scores_by_threshold
from build_engine.networks.similarity_contrast import PairNetwork
from build_engine.onnx_export import weights_digest
from build_engine.onnx_import import read_network, recentre
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.crops import PairCrops
from build_engine.training.data import batches
from build_engine.training.loop import Figures, Progress, bf16_supported, fit, resumed, starting
from build_engine.training.parallel import Parallel
from build_engine.training.settings import FinetuneSettings

JUDGED_AT = (0.3, 0.6, 0.9)  # score thresholds of the validations during training: the best one counts
RECENTRED_ON = 8  # batches
ALONE = Parallel()

log = logging.getLogger(__name__)


def load_start(path: Path) -> tuple[PairNetwork, str]:
    """The network to start from and its name: out of an ONNX file of ours, or of the folder of a training run.

    Raises:
        ModelError: it cannot be read or does not suit.
    """
    if path.suffix == ".onnx":
        return read_network(path)
    run = Checkpoint.load(path / FILE)
    return run.network(), run.settings.network


def finetune(
    start: tuple[PairNetwork, str],
    training: Sequence[RegisteredPair],
    validation: Sequence[RegisteredPair],
    output: Path,
    settings: FinetuneSettings,
    *,
    workers: int,
    resume: bool,
    progress: Progress,
    parallel: Parallel = ALONE,
) -> Checkpoint:
    """Train on pairs, or go on with the checkpoint in `output`; returns the last checkpoint.

    Args:
        start: the network to begin with, which is changed, and its name.
        training, validation: pairs of different parts.
        output: folder of the checkpoint.
        settings: of the run; where it is resumed its own go before, but for the iterations.
        workers: processes that cut crops; 0: this one.
        resume: go on with the checkpoint in `output`.
        progress: told after every step.
        parallel: the processes of the run.

    Raises:
        ModelError: the checkpoint to resume from is missing or broken.
        UsageError: the batch cannot be shared by the processes.
    """
    run = resumed(output, settings.iterations) if resume else _begun(start, training, settings)
    assert isinstance(run.settings, FinetuneSettings)
    settings = run.settings
    share = parallel.share(settings.batch)
    left = settings.iterations - run.iteration
    crops = PairCrops(training, settings.crop, settings.seed, settings.batch, run.iteration, left, share)
    return fit(
        run,
        batches(crops, workers),
        lambda network: judge(network, validation, settings),
        output,
        parallel=parallel,
        progress=progress,
    )


def _begun(start: tuple[PairNetwork, str], pairs: Sequence[RegisteredPair], settings: FinetuneSettings) -> Checkpoint:
    network, name = start
    digest = weights_digest(network)[:12]
    chosen = replace(settings, network=name, width=network.width, norm=network.norm, start=digest)
    first = PairCrops(pairs, settings.crop, settings.seed, settings.batch, 0, RECENTRED_ON, range(settings.batch))
    torch.manual_seed(settings.seed)
    recentre(network, ((test, template) for test, template, _ in islice(batches(first, 0), RECENTRED_ON)))
    return starting(chosen, network)


def judge(network: PairNetwork, validation: Sequence[RegisteredPair], settings: FinetuneSettings) -> Figures:
    """Figures of a network's boxes on validation pairs by the official protocol, at the threshold of the best F1."""
    engine = NetworkEngine(network, bf16=settings.bf16 and bf16_supported())
    scores = max(
        scores_by_threshold(engine, validation, JUDGED_AT, settings.margin).values(), key=lambda figures: figures.f1
    )
    return {
        "average_precision": scores.average_precision,
        "precision": scores.precision,
        "recall": scores.recall,
        "f1": scores.f1,
    }
