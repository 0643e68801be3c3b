"""Training on annotated pairs, from a network that has learnt what a difference is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from build_engine.datasets.registered import RegisteredPair
from build_engine.evaluation.registered import NetworkEngine, scores_by_threshold
from build_engine.networks.similarity_contrast import PairNetwork
from build_engine.training.checkpoint import Checkpoint
from build_engine.training.crops import PairCrops
from build_engine.training.data import batches
from build_engine.training.loop import Figures, Progress, bf16_supported, fit, resumed
from build_engine.training.parallel import Parallel
from build_engine.training.settings import FinetuneSettings
from build_engine.training.start import RECENTRED_ON, Start, begun

JUDGED_AT = (0.3, 0.6, 0.9)  # score thresholds of the validations during training: the best one counts
ALONE = Parallel()

log = logging.getLogger(__name__)


def finetune(
    start: Start,
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


def _begun(start: Start, pairs: Sequence[RegisteredPair], settings: FinetuneSettings) -> Checkpoint:
    first = PairCrops(pairs, settings.crop, settings.seed, settings.batch, 0, RECENTRED_ON, range(settings.batch))
    return begun(start, settings, ((test, template) for test, template, _ in islice(batches(first, 0), RECENTRED_ON)))


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
