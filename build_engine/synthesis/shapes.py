"""Random shapes of differences: each a small mask and its place.

The paper draws irregular polygons of 10 to 24 px. We add what its polygons miss:
thin lines (a hair), large blobs (an object 140 px wide), specks of a few pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Shape = Callable[[np.random.Generator, float], Mask]


def polygon(rng: np.random.Generator, size: float) -> Mask:
    """Irregular polygon of about `size` pixels."""
    corners = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = size / 2 * rng.uniform(0.45, 1.1, corners)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1) * (1, rng.uniform(0.35, 1))
    return _filled(_turned(rng, points))


def blob(rng: np.random.Generator, size: float) -> Mask:
    """Round or lobed blob: a closed curve whose radius is a random low-frequency function of the angle."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radii = np.ones_like(angles)
    for frequency in range(1, 6):
        radii += rng.normal(0, 0.32 / frequency) * np.cos(frequency * angles + rng.uniform(0, 2 * np.pi))
    radii = size / 2 * np.clip(radii, 0.15, 1.8)
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1) * (1, rng.uniform(0.4, 1))
    return _filled(_turned(rng, points))


def ellipse(rng: np.random.Generator, size: float) -> Mask:
    """Ellipse of any eccentricity."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.2, 1)], axis=1) * size / 2
    return _filled(_turned(rng, points))


def line(rng: np.random.Generator, size: float) -> Mask:
    """Thin curved line, 1 to 6 px wide, three to six times as long as `size`."""
    width = int(rng.choice([1, 2, 2, 3, 3, 4, 5, 6]))
    steps = int(rng.integers(2, 12))
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, rng.uniform(0.05, 0.8), steps))
    stride = max(8.0, size * rng.uniform(2.0, 5.0)) / steps
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * stride, axis=0)
    points -= points.min(axis=0) - width - 1
    extent = np.ceil(points.max(axis=0)).astype(int) + width + 2
    mask = np.zeros((int(extent[1]), int(extent[0])), np.uint8)
    cv2.polylines(mask, [np.round(points).astype(np.int32)], False, 1, width)
    return mask


def _turned(rng: np.random.Generator, points: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned: NDArray[np.float64] = points @ turn.T
    return turned


def _filled(points: NDArray[np.float64]) -> Mask:
    points = points - points.min(axis=0) + 1
    extent = np.ceil(points.max(axis=0)).astype(int) + 2
    mask = np.zeros((int(extent[1]), int(extent[0])), np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask


MIXTURE: tuple[tuple[Shape, float], ...] = ((polygon, 0.27), (blob, 0.33), (ellipse, 0.14), (line, 0.26))


def random_size(rng: np.random.Generator) -> float:
    """3 to 44 px, log-uniform, and one in twelve 44 to 170 px: a foil fills a quarter of a crop."""
    low, high = (44, 170) if rng.random() < 0.085 else (3.5, 44)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def random_shape(rng: np.random.Generator, mixture: tuple[tuple[Shape, float], ...] = MIXTURE) -> Mask:
    """A shape of random kind and size, uint8 [h, w] of 0 and 1."""
    shares = np.array([share for _, share in mixture])
    kind = mixture[int(rng.choice(len(mixture), p=shares / shares.sum()))][0]
    return kind(rng, random_size(rng))
