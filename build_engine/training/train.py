"""Training on synthetic pairs made of photographs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from build_engine.networks.similarity_contrast import PairNetwork
from build_engine.synthesis.pairs import RECIPES, Recipe
from build_engine.training.checkpoint import Checkpoint
from build_engine.training.data import TRAINING, VALIDATION, Batch, SyntheticPairs, batches
from build_engine.training.loop import Figures, Objective, Progress, fit, fresh, resumed
from build_engine.training.parallel import Parallel
from build_engine.training.settings import TrainingSettings
from build_engine.training.start import RECENTRED_ON, Start, begun

VALIDATION_PAIRS = 160
ALONE = Parallel()

log = logging.getLogger(__name__)


def train(
    photographs: Path,
    output: Path,
    settings: TrainingSettings,
    *,
    workers: int,
    resume: bool,
    progress: Progress,
    parallel: Parallel = ALONE,
    start: Start | None = None,
    recipe: Recipe | None = None,
) -> Checkpoint:
    """Train, or go on with the checkpoint in `output`; returns the last checkpoint.

    Args:
        photographs: folder of the backgrounds.
        output: folder of the checkpoint.
        settings: of the run; where it is resumed its own go before, but for the iterations.
        workers: processes that make pairs; 0: this one.
        resume: go on with the checkpoint in `output`.
        progress: told after every step.
        parallel: the processes of the run.
        start: the network to begin with, which is changed; None begins with random weights.
        recipe: mixture of pairs; None is the one that the settings name.

    Raises:
        ImageError: no photographs.
        ModelError: the checkpoint to resume from is missing or broken.
        UsageError: the batch cannot be shared by the processes.
    """
    mixture = recipe or RECIPES[settings.recipe]
    if resume:
        run = resumed(output, settings.iterations)
    elif start:
        run = begun(start, settings, _first_pairs(photographs, mixture, settings))
    else:
        run = fresh(settings)
    settings = run.settings
    share = parallel.share(settings.batch)
    left = settings.iterations - run.iteration
    pairs = SyntheticPairs(
        photographs, TRAINING, mixture, settings.seed + 1000, settings.batch, run.iteration, left, share
    )
    held_back: list[Batch] = []
    if parallel.first:
        log.info("photographs=%d", len(pairs.photographs.files))
        kept = SyntheticPairs(photographs, VALIDATION, mixture, 1, 8, 0, VALIDATION_PAIRS // 8)
        held_back = list(batches(kept, workers))
    return fit(
        run,
        batches(pairs, workers),
        lambda network: validate(network, held_back, settings, parallel.device),
        output,
        parallel=parallel,
        progress=progress,
    )


def _first_pairs(photographs: Path, mixture: Recipe, settings: TrainingSettings) -> Iterator[tuple[Tensor, Tensor]]:
    pairs = SyntheticPairs(
        *(photographs, TRAINING, mixture, settings.seed + 1000, settings.batch, 0, RECENTRED_ON), range(settings.batch)
    )
    return ((test, template) for test, template, _ in batches(pairs, 0))


def validate(
    network: PairNetwork, validation: list[Batch], settings: TrainingSettings, device: torch.device
) -> Figures:
    """Figures on synthetic pairs of photographs never trained on: loss, and pixel F1 at scores 0.1 and 0.5."""
    hits, predicted, actual, loss = {0.1: 0.0, 0.5: 0.0}, {0.1: 0.0, 0.5: 0.0}, 0.0, 0.0
    objective = Objective(network, settings, Parallel(device=device), bf16=False)
    with torch.no_grad():
        for batch in validation:
            test, template, mask = (tensor.to(device) for tensor in batch)
            loss += float(objective(test, template, mask)) / len(validation)
            score = network(test, template)
            actual += float(mask.sum())
            for threshold in hits:
                found = (score >= threshold).float()
                hits[threshold] += float((found * mask[:, 0]).sum())
                predicted[threshold] += float(found.sum())
    figures = {f"f1_at_{t}": 2 * hits[t] / max(1.0, predicted[t] + actual) for t in hits}
    return {"validation_loss": loss, **figures}
