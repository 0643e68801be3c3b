"""What the pair shows apart from differences: photographs, prints, drawings.

A third of the pictures is binarised: that is what carried the network from
photographs to printed circuit boards, where nothing but edges is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.synthesis.photographs import Photographs

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Background:
    """A clean picture; `binary` where it holds black and white only."""

    image: Image
    binary: bool = False


def random_background(
    rng: np.random.Generator, photographs: Photographs, size: int, binary_share: float, drawn_share: float
) -> Background:
    """A background of size × size pixels, BGR uint8."""
    binary = rng.random() < binary_share
    if rng.random() < drawn_share:
        image = drawing(rng, photographs.crop(rng, size))
    else:
        image = photographs.crop(rng, size)
        if rng.random() < 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3.0)), dtype=np.uint8)
    if binary:
        return Background(binarised(rng, image), binary=True)
    if rng.random() < 0.15:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    return Background(image)


def binarised(rng: np.random.Generator, image: Image) -> Image:
    """Black and white: blurred, cut at a random quantile."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), rng.uniform(0.8, 3.5))
    cut = np.quantile(grey[::4, ::4], rng.uniform(0.25, 0.75))
    black_and_white = np.where(grey > cut, 255, 0).astype(np.uint8)
    return np.repeat(black_and_white[:, :, None], 3, axis=2)


def drawing(rng: np.random.Generator, texture: Image) -> Image:
    """Man-made things over a darkened or faded photograph: rows of rings, bars and plates with sharp edges."""
    size = texture.shape[0]
    fade = rng.uniform(0.0, 0.6)
    canvas = texture.astype(np.float32) * fade + (1 - fade) * rng.uniform(0, 255, 3).astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.55:
            _rings(rng, canvas, size)
        else:
            _bars(rng, canvas, size)
    grain = rng.standard_normal((size, size, 1), dtype=np.float32) * rng.uniform(0, 6)
    return np.clip(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.2)) + grain, 0, 255).astype(np.uint8)


def _rings(rng: np.random.Generator, canvas: NDArray[np.float32], size: int) -> None:
    """A lattice of discs with a rim, each a little different in brightness, as contacts in a connector."""
    pitch, radius = rng.uniform(18, 90), rng.uniform(0.15, 0.48)
    origin, angle = rng.uniform(-20, 20, 2), rng.uniform(-0.6, 0.6)
    rim, core = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    limit = int(size / pitch) + 2
    first, last = sorted(rng.integers(-1, limit + 1, 2).tolist())
    for row in range(first, last + 1):
        for column in range(-limit, limit + 1):
            x, y = (column + 0.5 * (row % 2)) * pitch, row * pitch
            at = (x * np.cos(angle) - y * np.sin(angle) + origin[0], x * np.sin(angle) + y * np.cos(angle) + origin[1])
            centre = (round(at[0]), round(at[1]))
            if not (-pitch < centre[0] < size + pitch and -pitch < centre[1] < size + pitch):
                continue
            outer = max(2, round(pitch * radius))
            cv2.circle(canvas, centre, outer, tuple(rim), -1, cv2.LINE_AA)
            cv2.circle(canvas, centre, max(1, round(outer * 0.7)), tuple(core * rng.uniform(0.6, 1.4)), -1, cv2.LINE_AA)


def _bars(rng: np.random.Generator, canvas: NDArray[np.float32], size: int) -> None:
    """Parallel tracks with bends, or plates."""
    width, gap = int(rng.integers(3, 40)), rng.uniform(1.3, 3.5)
    steps = int(rng.integers(2, 5))
    turns = rng.choice([0, 45, 90, -45], steps) * np.pi / 180 + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.02)
    path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(40, 260, (steps, 1)), axis=0)
    path += rng.uniform(-0.2, 0.9, 2) * size - path[0]
    colour = rng.uniform(0, 255, 3)
    normal = np.array([-np.sin(turns[0]), np.cos(turns[0])]) * width * gap
    for number in range(int(rng.integers(1, 8))):
        points = np.round(path + normal * number).astype(np.int32)
        cv2.polylines(canvas, [points], False, tuple(colour), width, cv2.LINE_AA)
        if rng.random() < 0.5:
            x, y = (int(value) for value in points[-1])
            cv2.circle(canvas, (x, y), int(width * rng.uniform(0.7, 1.6)) + 1, tuple(colour), -1, cv2.LINE_AA)
