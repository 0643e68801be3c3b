"""Training data of the feature fusion network: good pictures as the next part would show them, half of them spoilt.

Every step draws anew, by its number alone, so that a run can be resumed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from build_engine.datasets.one_class import Pictures
from build_engine.networks.feature_fusion import SIZE
from build_engine.synthesis.local_defects import place_on_part
from build_engine.synthesis.pseudo_anomalies import pseudo_anomaly

STRIDE = 8  # of the score map
ALIGNED = 0.8  # likeness to the mean from which parts lie alike
SHIFT = 5  # pixels, each way
TURN = 2.0  # degrees, each way, of parts that lie alike
NOISE = 3.0  # grey levels

log = logging.getLogger(__name__)

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """Where batches come from.

    Attributes:
        pictures: good ones, uint8 BGR [M, SIZE, SIZE, 3].
        crop: side of what is cut out, a multiple of 64; SIZE is the whole picture.
        whole: share of the steps that see whole pictures all the same, as many as have the pixels of a batch of crops.
        turned: parts lie in any pose, so that every turn and the mirrored picture is good too.
        published: as published: whole pictures, not moved, confetti noise and CutPaste alone.
        seed: of all chance.
    """

    pictures: Pictures
    crop: int
    whole: float
    turned: bool
    published: bool
    seed: int

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Pictures and where they are anomalous: uint8 BGR [N, S, S, 3] and float [N, 1, S/8, S/8], 0 or 1.

        Args:
            step: number of the step.
            size: of the batch, in crops; at least two pictures are drawn.
        """
        rng = np.random.default_rng((self.seed, step))
        crop = SIZE if rng.random() < self.whole else self.crop
        count = max(2, size * self.crop**2 // crop**2)
        drawn = [self._drawn(rng, crop, spoilt=number % 2 == 1) for number in range(count)]
        images = torch.from_numpy(np.stack([image for image, _ in drawn]))
        masks = torch.from_numpy(np.stack([mask for _, mask in drawn]))
        return images, F.max_pool2d(masks[:, None].float(), STRIDE)

    def _drawn(self, rng: np.random.Generator, crop: int, *, spoilt: bool) -> tuple[Image, Image]:
        image: Image = self.pictures[rng.integers(len(self.pictures))]
        if not self.published:
            image = moved(image, crop, rng, turned=self.turned)
        mask = np.zeros(image.shape[:2], np.uint8)
        if spoilt:
            image, mask = pseudo_anomaly(image, rng, side=SIZE, published=self.published)
        return image if self.published else noisy(image, rng), mask


def any_pose(pictures: Pictures) -> bool:
    """Whether parts lie in any pose, or are a surface: a picture is then unlike the mean of all.

    Args:
        pictures: good ones, uint8 BGR [M, H, W, 3].
    """
    small = np.stack([cv2.resize(picture.mean(axis=2), (32, 32), interpolation=cv2.INTER_AREA) for picture in pictures])
    flat = small.reshape(len(small), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
    likeness = float(np.median(flat @ flat.mean(axis=0)) / (np.linalg.norm(flat.mean(axis=0)) + 1e-6))
    log.info("likeness of the good pictures to their mean %.3f, limit %.2f", likeness, ALIGNED)
    return likeness < ALIGNED


def moved(image: Image, crop: int, rng: np.random.Generator, *, turned: bool = False) -> Image:
    """The picture as the next part would show it: moved, a little brighter or darker; cut out around the part.

    Half of the pictures are moved by whole pixels and quarter turns alone: interpolation takes sharpness, and real
    pictures, which have not lost it, would look strange to a network that never saw it.

    Args:
        image: uint8 BGR [S, S, 3].
        crop: side of what is cut out.
        rng: where all chance comes from.
        turned: turn it by any angle, and mirror it half of the time.
    """
    side = image.shape[0]
    if turned:
        image = np.rot90(image, int(rng.integers(4)))
        image = np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image)
    shift, angle = rng.integers(-SHIFT, SHIFT + 1, 2), 0.0
    if rng.random() < 0.5:
        angle = rng.uniform(0, 360) if turned else rng.uniform(-TURN, TURN)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, 1.0)
    matrix = np.c_[matrix[:, :2], matrix[:, 2] + shift]
    if crop < side:
        middle = place_on_part(image, rng) + rng.integers(-crop // 3, crop // 3, 2)
        corner = matrix[:, :2] @ middle + matrix[:, 2] - crop / 2
        matrix[:, 2] -= np.clip(np.round(corner), 0, side - crop)
    way = cv2.INTER_CUBIC if angle else cv2.INTER_NEAREST
    cut = cv2.warpAffine(image, matrix, (crop, crop), flags=way, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(cut * rng.uniform(0.93, 1.07) + rng.uniform(-5, 5), 0, 255), np.uint8)


def noisy(image: Image, rng: np.random.Generator) -> Image:
    """Half of the time with noise: it covers the traces by which a network could tell a forgery."""
    if rng.random() < 0.5:
        return image
    noise = rng.standard_normal((*image.shape[:2], int(rng.choice([1, 3]))), dtype=np.float32)
    return np.asarray(np.clip(image + noise * rng.uniform(0.5, NOISE) + 0.5, 0, 255), np.uint8)
