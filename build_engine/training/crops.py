"""Crops of registered pairs as a PyTorch data set: the symmetries that hold for any comparison."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from build_engine.datasets.registered import RegisteredPair, unpack
from build_engine.synthesis.pairs import Sample
from build_engine.training.data import Batch, collated

ON_OBJECT = 0.5  # share of the crops that are cut around an object, of pairs that have one
HALF = 0.3  # share of the crops at half resolution, which the product looks at too
ZOOM = 0.2  # standard deviation of the logarithm of the scale around these two


class PairCrops(Dataset[Batch]):
    """Batches of a seed by their number: the same whoever computes them, so that a run can be resumed.

    Args:
        pairs: to cut from, each as often as another.
        size: side of a sample in pixels.
        seed: of places, scales and symmetries.
        batch: samples of the whole batch.
        first, count: number of the first batch, and how many.
        share: which samples of each batch are made here.
    """

    def __init__(
        self, pairs: Sequence[RegisteredPair], size: int, seed: int, batch: int, first: int, count: int, share: range
    ) -> None:
        self.pairs, self.size, self.seed, self.batch = pairs, size, seed, batch
        self.first, self.count, self.share = first, count, share

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Batch:
        start = (self.first + number) * self.batch
        return collated([self._sample(start + place) for place in self.share])

    def _sample(self, index: int) -> Sample:
        # Once through all pairs in a random order, then again in another.
        lap, place = divmod(index, len(self.pairs))
        order = np.random.default_rng([self.seed, 0, lap]).permutation(len(self.pairs))
        return cut_sample(np.random.default_rng([self.seed, 1, index]), self.pairs[order[place]], self.size)


def cut_sample(rng: np.random.Generator, pair: RegisteredPair, size: int) -> Sample:
    """A crop at a random place and scale, turned, mirrored, inverted, test and template exchanged, each by chance."""
    packed = pair.read()
    scale = (0.5 if rng.random() < HALF else 1.0) * float(np.exp(rng.normal(0, ZOOM)))
    side = max(16, round(size / scale))
    centre: tuple[float, float] | None = None
    if pair.boxes and rng.random() < ON_OBJECT:
        x0, y0, x1, y1 = pair.boxes[int(rng.integers(len(pair.boxes)))]
        centre = (x0 + x1) / 2, (y0 + y1) / 2
    (top, bottom), (left, right) = (
        _span(rng, length, side, None if centre is None else centre[1 - axis])
        for axis, length in enumerate(packed.shape[:2])
    )
    test, template, mask = (_fitted(image, side, size) for image in unpack(np.asarray(packed[top:bottom, left:right])))
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    test, template, mask = (_turned(image, turns, mirrored) for image in (test, template, mask))
    if rng.random() < 0.5:
        test, template = 255 - test, 255 - template
    if rng.random() < 0.5:
        test, template = template, test
    return Sample(np.ascontiguousarray(test), np.ascontiguousarray(template), np.ascontiguousarray(mask))


def _span(rng: np.random.Generator, length: int, side: int, centre: float | None) -> tuple[int, int]:
    """First and last of `side` places in `length`, all of it where that is less; around the centre where one is."""
    if length <= side:
        return 0, length
    if centre is None:
        start = int(rng.integers(length - side + 1))
    else:
        start = int(np.clip(centre - rng.uniform(0.1, 0.9) * side, 0, length - side))
    return start, start + side


def _fitted(image: NDArray[np.uint8], side: int, size: int) -> NDArray[np.uint8]:
    """Filled up to `side` by reflection, then resized to `size`; a mask stays 0 and 1."""
    missing = side - image.shape[0], side - image.shape[1]
    if max(missing) > 0:
        pad = [(0, missing[0]), (0, missing[1]), (0, 0)][: image.ndim]
        image = np.pad(image, pad, mode="reflect")
    if side == size:
        return image
    shrinks = side > size
    if image.ndim == 2:
        soft = cv2.resize(image * np.uint8(255), (size, size), interpolation=cv2.INTER_AREA)
        return np.asarray(np.greater(soft, 127), np.uint8)
    return np.asarray(
        cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )


def _turned(image: NDArray[np.uint8], turns: int, mirrored: bool) -> NDArray[np.uint8]:
    turned = np.rot90(image, turns)
    return turned[:, ::-1] if mirrored else turned
