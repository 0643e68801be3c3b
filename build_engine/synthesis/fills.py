"""What a difference looks like: the pixels that replace the picture inside a mask.

`colour` and `fusion` are the paper's two; the others make the cases that its two
leave out: a faint film, a shaded object, a piece of the picture itself (a missing
pin shows what lies beside it).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Patch = NDArray[np.float32]
# patch of the picture below the mask, patch of another photograph, the whole picture -> the new patch
Fill = Callable[[np.random.Generator, Patch, Patch, Image], Patch]


def colour(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """One random colour, grey in a third of the cases."""
    value = rng.uniform(0, 255, 1) if rng.random() < 0.35 else rng.uniform(0, 255, 3)
    return np.asarray(np.zeros_like(below) + value, dtype=np.float32)


def fusion(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """The same place of another photograph."""
    return np.array(other, dtype=np.float32)


def film(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """A half-transparent layer: another photograph or a colour shows through the picture."""
    layer = other if rng.random() < 0.5 else rng.uniform(0, 255, 3).astype(np.float32)
    opacity = np.float32(rng.uniform(0.25, 0.85))
    return np.asarray(opacity * layer + (1 - opacity) * below, dtype=np.float32)


def tint(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """The picture itself, brighter, darker or coloured."""
    offset = rng.uniform(22, 100) * rng.choice([-1, 1])
    share = np.ones(3) if rng.random() < 0.6 else rng.uniform(0, 1, 3)
    return np.asarray(below + offset * share, dtype=np.float32)


def shaded(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """A colour with a gradient across it and a bright streak: metal or plastic under a lamp."""
    height, width = below.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * np.linspace(-1, 1, width)[None, :] + np.sin(angle) * np.linspace(-1, 1, height)[:, None]
    base = rng.uniform(20, 200, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(20, 200))
    patch = base + ramp[:, :, None] * rng.uniform(-70, 70)
    streak = np.exp(-(((ramp - rng.uniform(-0.8, 0.8)) / rng.uniform(0.1, 0.5)) ** 2)) * rng.uniform(0, 140)
    return np.asarray(np.clip(patch + streak[:, :, None], 0, 255), dtype=np.float32)


def displaced(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """Another place of the same picture."""
    height, width = below.shape[:2]
    y = int(rng.integers(picture.shape[0] - height + 1))
    x = int(rng.integers(picture.shape[1] - width + 1))
    return picture[y : y + height, x : x + width].astype(np.float32)


def smoothed(rng: np.random.Generator, below: Patch, other: Patch, picture: Image) -> Patch:  # noqa: ARG001
    """The picture with its detail taken away: something that was there is missing."""
    sigma = max(2.0, min(below.shape[:2]) * rng.uniform(0.2, 0.5))
    smooth = cv2.GaussianBlur(below, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth + rng.uniform(-15, 15), dtype=np.float32)


PAPER_COLOUR: tuple[tuple[Fill, float], ...] = ((colour, 1.0),)
PAPER_FUSION: tuple[tuple[Fill, float], ...] = ((fusion, 1.0),)
MIXTURE: tuple[tuple[Fill, float], ...] = (
    *((colour, 0.18), (fusion, 0.22), (film, 0.15), (tint, 0.14)),
    *((shaded, 0.15), (displaced, 0.12), (smoothed, 0.04)),
)


def random_fill(
    rng: np.random.Generator,
    below: Patch,
    other: Patch,
    picture: Image,
    mixture: tuple[tuple[Fill, float], ...] = MIXTURE,
) -> Patch:
    """The new pixels, float32 [h, w, 3] in 0..255, by one fill of the mixture."""
    shares = np.array([share for _, share in mixture])
    kind = mixture[int(rng.choice(len(mixture), p=shares / shares.sum()))][0]
    return kind(rng, below, other, picture)
