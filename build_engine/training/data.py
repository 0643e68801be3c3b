"""Synthetic pairs as a PyTorch data set, and batches of any such set in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from build_engine.synthesis.pairs import Recipe, Sample, synthesise
from build_engine.synthesis.photographs import Photographs

VALIDATION = (15, range(14, 15))  # every fifteenth photograph is never trained on
TRAINING = (15, range(14))
Batch = tuple[Tensor, Tensor, Tensor]  # test, template uint8 [N, S, S, 3]; mask float [N, 1, S, S]


class SyntheticPairs(Dataset[Batch]):
    """Batches of a seed by their number: the same whoever computes them, so that a run can be resumed.

    Args:
        folder: photographs.
        keep: TRAINING or VALIDATION.
        first: number of the first batch.
        count: how many batches.
        share: which samples of each batch are made here; None: all.
    """

    def __init__(
        self,
        folder: Path,
        keep: tuple[int, range],
        recipe: Recipe,
        seed: int,
        batch: int,
        first: int,
        count: int,
        share: range | None = None,
    ) -> None:
        self.photographs = Photographs(folder, keep)
        self.recipe, self.seed, self.batch, self.first, self.count = recipe, seed, batch, first, count
        self.share = range(batch) if share is None else share

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Batch:
        start = (self.first + number) * self.batch
        samples = [synthesise(self.photographs, self.recipe, self.seed, start + i) for i in self.share]
        return collated(samples)


def collated(samples: Sequence[Sample]) -> Batch:
    """Samples of the same size as one batch."""
    tests = torch.stack([torch.from_numpy(sample.test.copy()) for sample in samples])
    templates = torch.stack([torch.from_numpy(sample.template.copy()) for sample in samples])
    masks = torch.stack([torch.from_numpy(sample.mask.copy()).float()[None] for sample in samples])
    return tests, templates, masks


def batches(pairs: Dataset[Batch], workers: int) -> Iterator[Batch]:
    """The batches in order, made by `workers` processes (0: in this one)."""
    loader = DataLoader(
        pairs,
        batch_size=None,
        shuffle=False,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_single_threaded,
    )
    return iter(loader)


def _single_threaded(_: int) -> None:
    cv2.setNumThreads(0)  # OpenCV's threads do not survive a fork, and the other cores are training
