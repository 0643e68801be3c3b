"""Laying one picture over another, and tinting it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # BGR [H, W, 3]
Mask = NDArray[np.uint8]  # [H, W], 1 where anomalous


def tinted(image: Image, rng: np.random.Generator) -> Image:
    """Brighter or darker, half of the time in another colour."""
    gain = rng.uniform(0.7, 1.3, 3 if rng.random() < 0.5 else 1)
    return np.clip(image * gain + rng.uniform(-25, 25), 0, 255).astype(np.uint8)


def blend(image: Image, layer: Image, cover: Mask, rng: np.random.Generator) -> Image:
    """`layer` over `image` where `cover` is 255: with hard or soft edges, solid or as thin as a film."""
    if rng.random() < 0.5:
        softness = float(np.exp(rng.uniform(np.log(0.5), np.log(4.0))))
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), softness), np.uint8)
    strength = np.exp(rng.uniform(np.log(0.1), 0.0)) if rng.random() < 0.5 else 1.0
    alpha = cover[..., None].astype(np.float32) * np.float32(strength / 255)
    return np.asarray(image + (layer.astype(np.float32) - image) * alpha + 0.5, np.uint8)
