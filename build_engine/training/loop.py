"""The training loop: synthetic pairs in, checkpoints, log and curves out."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from build_engine.networks.similarity_contrast import PairNetwork, build_network
from build_engine.synthesis.pairs import RECIPES
from build_engine.training.checkpoint import FILE, Checkpoint, update_average
from build_engine.training.data import TRAINING, VALIDATION, Batch, SyntheticPairs, batches
from build_engine.training.loss import pair_loss
from build_engine.training.settings import TrainingSettings

REPORT_EVERY = 100
VALIDATE_EVERY = 1000
VALIDATION_PAIRS = 160

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Where the loop tells how far it is."""

    def update(self, iteration: int, loss: float) -> None:
        """After every step."""


def bf16_supported() -> bool:
    """Whether bfloat16 is faster than float32 here: the processor must have it in hardware."""
    return bool(torch.cuda.is_available() or torch.backends.cpu.get_cpu_capability() == "AVX512") and (
        torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()
    )


def train(
    photographs: Path, output: Path, settings: TrainingSettings, *, workers: int, resume: bool, progress: Progress
) -> Checkpoint:
    """Train, or go on with the checkpoint in `output`; returns the last checkpoint.

    Raises:
        ImageError: no photographs.
        ModelError: the checkpoint to resume from is missing or broken.
    """
    run = _resumed(output, settings) if resume else _fresh(settings)
    network, averaged, optimiser = _assembled(run)
    recipe = RECIPES[settings.recipe]
    validation = list(batches(SyntheticPairs(photographs, VALIDATION, recipe, 1, 8, 0, VALIDATION_PAIRS // 8), workers))
    left = settings.iterations - run.iteration
    pairs = SyntheticPairs(photographs, TRAINING, recipe, settings.seed + 1000, settings.batch, run.iteration, left)
    bf16 = settings.bf16 and bf16_supported()
    log.info(
        "start iteration=%d of=%d bf16=%s photographs=%d",
        run.iteration,
        settings.iterations,
        bf16,
        len(pairs.photographs.files),
    )
    mean_loss, since = 0.0, time.monotonic()
    for number, batch in enumerate(batches(pairs, workers)):
        iteration = run.iteration + number
        loss = _step(network, optimiser, batch, settings, iteration, bf16)
        update_average(averaged, network, iteration, settings.averaging)
        mean_loss += loss / REPORT_EVERY
        progress.update(iteration + 1, loss)
        if (iteration + 1) % REPORT_EVERY == 0 or iteration + 1 == settings.iterations:
            row = {"iteration": iteration + 1.0, "loss": mean_loss, "seconds": time.monotonic() - since}
            if (iteration + 1) % VALIDATE_EVERY == 0 or iteration + 1 == settings.iterations:
                row |= validate(averaged, validation, settings)
                _checkpoint(run, network, averaged, optimiser, iteration + 1, row).save(output / FILE)
            else:
                run.history.append(row)
            log.info(" ".join(f"{key}={value:.5g}" for key, value in row.items()))
            mean_loss, since = 0.0, time.monotonic()
    return Checkpoint.load(output / FILE)


def _fresh(settings: TrainingSettings) -> Checkpoint:
    torch.manual_seed(settings.seed)
    weights = build_network(settings.network, settings.width, settings.norm).state_dict()
    return Checkpoint(settings, 0, weights, copy.deepcopy(weights), {}, [])


def _resumed(output: Path, settings: TrainingSettings) -> Checkpoint:
    run = Checkpoint.load(output / FILE)
    run.settings = replace(run.settings, iterations=settings.iterations)
    return run


def _assembled(run: Checkpoint) -> tuple[PairNetwork, PairNetwork, torch.optim.AdamW]:
    settings = run.settings
    network = build_network(settings.network, settings.width, settings.norm)
    averaged = copy.deepcopy(network).eval()
    network.load_state_dict(run.weights)
    averaged.load_state_dict(run.averaged)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    if run.optimiser:
        optimiser.load_state_dict(run.optimiser)
    return network.train(), averaged, optimiser


def _checkpoint(
    run: Checkpoint,
    network: PairNetwork,
    averaged: PairNetwork,
    optimiser: torch.optim.Optimizer,
    iteration: int,
    row: dict[str, float],
) -> Checkpoint:
    run.history.append(row)
    return Checkpoint(
        run.settings, iteration, network.state_dict(), averaged.state_dict(), optimiser.state_dict(), run.history
    )


def _step(
    network: PairNetwork,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    settings: TrainingSettings,
    iteration: int,
    bf16: bool,
) -> float:
    for group in optimiser.param_groups:
        group["lr"] = settings.rate(iteration)
    loss = _loss(network, batch, settings, bf16)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _loss(network: PairNetwork, batch: Batch, settings: TrainingSettings, bf16: bool) -> Tensor:
    test, template, mask = batch
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        predicted = network.logits(test, template)
    return pair_loss(network, predicted, mask, smoothing=settings.smoothing, positive_weight=settings.positive_weight)


def validate(network: PairNetwork, validation: list[Batch], settings: TrainingSettings) -> dict[str, float]:
    """Figures on synthetic pairs of photographs never trained on: loss, and pixel F1 at scores 0.1 and 0.5."""
    hits, predicted, actual, loss = {0.1: 0.0, 0.5: 0.0}, {0.1: 0.0, 0.5: 0.0}, 0.0, 0.0
    with torch.no_grad():
        for batch in validation:
            test, template, mask = batch
            loss += float(_loss(network, batch, settings, bf16=False)) / len(validation)
            score = network(test, template)
            actual += float(mask.sum())
            for threshold in hits:
                found = (score >= threshold).float()
                hits[threshold] += float((found * mask[:, 0]).sum())
                predicted[threshold] += float(found.sum())
    figures = {f"f1_at_{t}": 2 * hits[t] / max(1.0, predicted[t] + actual) for t in hits}
    return {"validation_loss": loss, **figures}
