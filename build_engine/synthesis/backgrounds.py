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
Canvases = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Background:
    """A clean picture.

    Attributes:
        image: BGR uint8 [S, S, 3].
        relit: the same things, whose surfaces reflect otherwise; the image itself where nothing does.
        binary: it holds black and white only.
    """

    image: Image
    relit: Image
    binary: bool = False


def random_background(
    rng: np.random.Generator, photographs: Photographs, size: int, binary_share: float, drawn_share: float
) -> Background:
    """A background of size × size pixels, BGR uint8."""
    binary = rng.random() < binary_share
    if rng.random() < drawn_share:
        image, relit = drawing(rng, photographs.crop(rng, size))
    else:
        image = photographs.crop(rng, size)
        if rng.random() < 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3.0)), dtype=np.uint8)
        relit = image
    if binary:
        image = binarised(rng, image)
        return Background(image, image, binary=True)
    if rng.random() < 0.15:
        image, relit = _grey(image), _grey(relit)
    return Background(image, relit)


def _grey(image: Image) -> Image:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def binarised(rng: np.random.Generator, image: Image) -> Image:
    """Black and white: blurred, cut at a random quantile."""
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), rng.uniform(0.8, 3.5))
    cut = np.quantile(grey[::4, ::4], rng.uniform(0.25, 0.75))
    black_and_white = np.where(grey > cut, 255, 0).astype(np.uint8)
    return np.repeat(black_and_white[:, :, None], 3, axis=2)


def drawing(rng: np.random.Generator, texture: Image) -> tuple[Image, Image]:
    """Man-made things over a darkened or faded photograph: rows of rings, bars and plates with sharp edges.

    Twice, BGR uint8 [S, S, 3] each: every contact has its own brightness and glint in either, all else is equal.
    """
    size = texture.shape[0]
    fade = rng.uniform(0.0, 0.6)
    canvas = texture.astype(np.float32) * fade + (1 - fade) * rng.uniform(0, 255, 3).astype(np.float32)
    relit = canvas.copy()
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.55:
            _rings(rng, (canvas, relit), size)
        else:
            _bars(rng, (canvas, relit), size)
    grain = rng.standard_normal((size, size, 1), dtype=np.float32) * rng.uniform(0, 6)
    focus = rng.uniform(0.4, 1.2)
    one, other = (
        np.clip(cv2.GaussianBlur(picture, (0, 0), focus) + grain, 0, 255).astype(np.uint8)
        for picture in (canvas, relit)
    )
    return one, other


def _rings(rng: np.random.Generator, canvases: Canvases, size: int) -> None:
    """A lattice of discs with a rim, each a little different in brightness, as contacts in a connector."""
    pitch, radius = rng.uniform(18, 90), rng.uniform(0.15, 0.48)
    origin, angle = rng.uniform(-20, 20, 2), rng.uniform(-0.6, 0.6)
    rim, core = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    relit = rng.choice([0.0, 0.15, 0.5])  # how much the brightness of a contact differs from photo to photo
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
            colour = core * rng.uniform(0.6, 1.4)
            for canvas in canvases:
                cv2.circle(canvas, centre, outer, tuple(rim), -1, cv2.LINE_AA)
                lit = colour * np.exp(rng.normal(0, relit)) if relit else colour
                _contact(rng, canvas, centre, max(1, round(outer * 0.7)), lit, glints=relit > 0)


def _contact(
    rng: np.random.Generator,
    canvas: NDArray[np.float32],
    centre: tuple[int, int],
    radius: int,
    colour: NDArray[np.float64],
    *,
    glints: bool,
) -> None:
    """A disc, at times with a soft glint on it."""
    cv2.circle(canvas, centre, radius, tuple(colour), -1, cv2.LINE_AA)
    x0, y0 = max(0, centre[0] - radius), max(0, centre[1] - radius)
    place = canvas[y0 : centre[1] + radius + 1, x0 : centre[0] + radius + 1]
    if not glints or radius < 4 or not place.size or rng.random() < 0.4:
        return
    ys = np.arange(y0, y0 + place.shape[0])[:, None] - centre[1]
    xs = np.arange(x0, x0 + place.shape[1])[None, :] - centre[0]
    at, spread = rng.uniform(-0.6, 0.6, 2) * radius, rng.uniform(0.2, 0.6) * radius
    spot = np.exp(-((ys - at[0]) ** 2 + (xs - at[1]) ** 2) / (2 * spread**2)) * (ys**2 + xs**2 < (radius - 1) ** 2)
    place += (spot[:, :, None] * rng.uniform(-20, 90) * rng.uniform(0.6, 1.0, 3)).astype(np.float32)


def _bars(rng: np.random.Generator, canvases: Canvases, size: int) -> None:
    """Parallel tracks with bends, or plates."""
    width, gap = int(rng.integers(3, 40)), rng.uniform(1.3, 3.5)
    steps = int(rng.integers(2, 5))
    turns = rng.choice([0, 45, 90, -45], steps) * np.pi / 180 + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.02)
    path = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1) * rng.uniform(40, 260, (steps, 1)), axis=0)
    path += rng.uniform(-0.2, 0.9, 2) * size - path[0]
    colour = rng.uniform(0, 255, 3)
    normal = np.array([-np.sin(turns[0]), np.cos(turns[0])]) * width * gap
    gains = (1.0, np.exp(rng.normal(0, rng.choice([0.0, 0.15, 0.5]))))  # one of all bars: where two cross is no edge
    for number in range(int(rng.integers(1, 8))):
        points = np.round(path + normal * number).astype(np.int32)
        x, y = (int(value) for value in points[-1])
        end = int(width * rng.uniform(0.7, 1.6)) + 1 if rng.random() < 0.5 else 0
        for canvas, gain in zip(canvases, gains, strict=True):
            lit = colour * gain
            cv2.polylines(canvas, [points], False, tuple(lit), width, cv2.LINE_AA)
            if end:
                cv2.circle(canvas, (x, y), end, tuple(lit), -1, cv2.LINE_AA)
