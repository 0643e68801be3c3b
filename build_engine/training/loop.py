"""The training loop: batches in, checkpoints, log and history out. What the batches show is its caller's concern."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from build_engine.networks.similarity_contrast import PairNetwork, build_network
from build_engine.training.checkpoint import FILE, Checkpoint, update_average
from build_engine.training.data import Batch
from build_engine.training.loss import pair_loss
from build_engine.training.parallel import Parallel
from build_engine.training.settings import TrainingSettings

REPORT_EVERY = 100

Figures = dict[str, float]
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


class Objective(nn.Module):
    """A network and its loss as one module, as DistributedDataParallel wants it."""

    def __init__(self, network: PairNetwork, settings: TrainingSettings, parallel: Parallel, *, bf16: bool) -> None:
        super().__init__()
        self.network, self.settings, self.parallel, self.bf16 = network, settings, parallel, bf16

    def forward(self, test: Tensor, template: Tensor, mask: Tensor) -> Tensor:
        """The loss of a batch, see `pair_loss`."""
        with torch.autocast(self.parallel.device.type, torch.bfloat16, enabled=self.bf16):
            predicted = self.network.logits(test, template)
        return pair_loss(
            self.network,
            predicted,
            mask,
            smoothing=self.settings.smoothing,
            positive_weight=self.settings.positive_weight,
            parallel=self.parallel,
        )


def fit(
    run: Checkpoint,
    batches: Iterable[Batch],
    validate: Callable[[PairNetwork], Figures],
    output: Path,
    *,
    parallel: Parallel,
    progress: Progress,
) -> Checkpoint:
    """Go on with a run until its iterations are done or its validation figure has stopped rising.

    Args:
        run: where it stands.
        batches: this process's part of every batch from `run.iteration` on.
        validate: figures of the averaged network; called in the first process alone.
        output: folder of the checkpoint.
        parallel: the processes of the run.
        progress: told after every step, in the first process alone.

    Returns:
        The last checkpoint written.
    """
    settings = run.settings
    network, averaged, optimiser = _assembled(run, parallel)
    bf16 = settings.bf16 and bf16_supported()
    objective = parallel.wrap(network, Objective(network, settings, parallel, bf16=bf16))
    if parallel.first:
        place = f"bf16={bf16} device={parallel.device} processes={parallel.world}"
        log.info("start iteration=%d of=%d %s", run.iteration, settings.iterations, place)
    mean_loss, since, reported = 0.0, time.monotonic(), run.iteration
    for iteration, batch in enumerate(batches, run.iteration):
        loss = parallel.mean(_step(objective, optimiser, _on(parallel, batch), settings, iteration))
        update_average(averaged, network, iteration, settings.averaging)
        mean_loss += loss
        if parallel.first:
            progress.update(iteration + 1, loss)
        done = iteration + 1
        if not (done % REPORT_EVERY == 0 or done % settings.validate_every == 0 or done == settings.iterations):
            continue
        ended = False
        if parallel.first:
            row = {"iteration": float(done), "loss": mean_loss / (done - reported), "seconds": time.monotonic() - since}
            if done % settings.validate_every == 0 or done == settings.iterations:
                row |= validate(averaged)
                run = _advanced(run, network, averaged, optimiser, row)
                run.save(output / FILE)
                ended = _exhausted(run)
            else:
                run.history.append(row)
            log.info(" ".join(f"{key}={value:.5g}" for key, value in row.items()))
        mean_loss, since, reported = 0.0, time.monotonic(), done
        if parallel.agree(ended):
            break
    return Checkpoint.load(output / FILE)


def fresh(settings: TrainingSettings) -> Checkpoint:
    """A run that has not begun, with random weights of the settings' seed."""
    torch.manual_seed(settings.seed)
    return starting(settings, build_network(settings.network, settings.width, settings.norm))


def resumed(output: Path, iterations: int) -> Checkpoint:
    """The run in a folder, to go on to so many iterations. Raises ModelError where it is missing or broken."""
    run = Checkpoint.load(output / FILE)
    run.settings = replace(run.settings, iterations=iterations)
    return run


def starting(settings: TrainingSettings, network: PairNetwork) -> Checkpoint:
    """A run that has not begun, with the weights of a network."""
    weights = network.state_dict()
    return Checkpoint(settings, 0, weights, copy.deepcopy(weights), {}, [])


def _assembled(run: Checkpoint, parallel: Parallel) -> tuple[PairNetwork, PairNetwork, torch.optim.AdamW]:
    settings = run.settings
    network = build_network(settings.network, settings.width, settings.norm).to(parallel.device)
    averaged = copy.deepcopy(network).eval()
    network.load_state_dict(run.weights)
    averaged.load_state_dict(run.averaged)
    optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    if run.optimiser:
        optimiser.load_state_dict(run.optimiser)
    return network.train(), averaged, optimiser


def _advanced(
    run: Checkpoint, network: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer, row: Figures
) -> Checkpoint:
    key = run.settings.select
    before = [earlier[key] for earlier in run.history if key in earlier]
    run.history.append(row)
    best = run.best
    if key and row[key] > max(before, default=-1.0):
        best = copy.deepcopy(_on_cpu(averaged))
    iteration = int(row["iteration"])
    return Checkpoint(
        run.settings,
        iteration,
        _on_cpu(network),
        _on_cpu(averaged),
        optimiser.state_dict(),
        run.history,
        best,
    )


def _on_cpu(network: nn.Module) -> dict[str, Any]:
    return {name: value.cpu() for name, value in network.state_dict().items()}


def _exhausted(run: Checkpoint) -> bool:
    """Whether the figure that selects has not risen for `patience` validations."""
    key, patience = run.settings.select, run.settings.patience
    figures = [row[key] for row in run.history if key in row]
    if not patience or len(figures) <= patience:
        return False
    exhausted = max(figures[-patience:]) <= max(figures[:-patience])
    if exhausted:
        log.info("stop: no higher %s in the last %d validations", key, patience)
    return exhausted


def _on(parallel: Parallel, batch: Batch) -> Batch:
    test, template, mask = (tensor.to(parallel.device) for tensor in batch)
    return test, template, mask


def _step(
    objective: nn.Module, optimiser: torch.optim.Optimizer, batch: Batch, settings: TrainingSettings, iteration: int
) -> float:
    for group in optimiser.param_groups:
        group["lr"] = settings.rate(iteration)
    loss: Tensor = objective(*batch)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())
