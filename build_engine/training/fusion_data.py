"""Training data of the feature fusion network: good pictures repeated, half of them spoilt, as backbone features.

The backbone is frozen, so that each picture passes it once: a run then costs what the small head costs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from build_engine.datasets.one_class import Pictures
from build_engine.networks.feature_fusion import SIZE, FeatureFusion
from build_engine.synthesis.pseudo_anomalies import pseudo_anomaly
from build_engine.training.loop import bf16_supported

CHUNK = 16  # pictures that pass the backbone at once
ALIGNED = 0.8  # likeness to the mean from which parts lie alike

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """Features of a pool of pictures.

    Attributes:
        levels: bfloat16 [M, C, h, w] of stride 4, 8 and 16.
        masks: float [M, 1, SIZE/8, SIZE/8], 1 where any pixel of the cell is anomalous.
    """

    levels: tuple[Tensor, Tensor, Tensor]
    masks: Tensor

    def batch(self, chosen: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """Features and masks of the chosen ones, int64 [N]."""
        first, second, third = (level[chosen].float() for level in self.levels)
        return (first, second, third), self.masks[chosen]


def pool(
    network: FeatureFusion, pictures: Pictures, repeats: int, seed: int, tell: Callable[[int, int], None]
) -> Features:
    """Features of each picture `repeats` times, every second time with a pseudo-anomaly, always jittered a little.

    Args:
        network: whose backbone is used.
        pictures: good ones, SIZE × SIZE.
        repeats: how often each is used; even.
        seed: of jitter and anomalies.
        tell: is told how many of how many are done.
    """
    bf16, turned = bf16_supported(), any_pose(pictures)
    levels: list[list[Tensor]] = [[], [], []]
    masks: list[Tensor] = []
    total = len(pictures) * repeats
    for start in range(0, total, CHUNK):
        images, covers = [], []
        for number in range(start, min(total, start + CHUNK)):
            rng = np.random.default_rng((seed, number))
            image = jittered(pictures[number % len(pictures)], rng, turned=turned)
            cover = np.zeros((SIZE, SIZE), np.uint8)
            if number // len(pictures) % 2:
                image, cover = pseudo_anomaly(image, rng)
            images.append(torch.from_numpy(image))
            covers.append(torch.from_numpy(cover))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            features = network.backbone(network.normalised(torch.stack(images)))
        for kept, level in zip(levels, features, strict=True):
            kept.append(level.to(torch.bfloat16))
        masks.append(F.max_pool2d(torch.stack(covers)[:, None].float(), 8))
        tell(min(total, start + CHUNK), total)
    first, second, third = (torch.cat(kept) for kept in levels)
    return Features((first, second, third), torch.cat(masks))


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


def jittered(image: NDArray[np.uint8], rng: np.random.Generator, *, turned: bool = False) -> NDArray[np.uint8]:
    """The picture as the next part would show it: shifted and turned a little, a little brighter or darker.

    Args:
        image: uint8 BGR [H, W, 3].
        rng: where all chance comes from.
        turned: turn it by any angle, and mirror it half of the time.
    """
    height, width = image.shape[:2]
    if turned and rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    angle = rng.uniform(0, 360) if turned else rng.uniform(-2, 2)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    matrix = np.c_[matrix[:, :2], matrix[:, 2] + rng.uniform(-0.02, 0.02, 2) * np.array([width, height])]
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(moved * rng.uniform(0.93, 1.07) + rng.uniform(-5, 5), 0, 255), np.uint8)
