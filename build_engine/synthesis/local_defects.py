"""Damage as parts really show it: grafted pieces, bent and broken contours, smears, spots, scrapes; from 3 pixels up.

Grafts after Schlüter et al., Natural synthetic anomalies, ECCV 2022 (pieces of the part itself, blended by Poisson's
equation); the others are ours. Whatever a network could tell a forgery by is avoided where possible: pieces are mostly
moved by whole pixels and quarter turns, so that they are as sharp as the picture around them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.synthesis.blending import Image, Mask, blend, tinted

CELLS = 64  # a side of the grid on which places are drawn
SMALLEST = 3.0  # pixels
ELSEWHERE = 0.1  # share of anomalies that stand anywhere, not on the part


def place_on_part(image: Image, rng: np.random.Generator) -> NDArray[np.float64]:
    """A point (x, y) where the picture differs from its surroundings at all, wherever that is, equally likely.

    Unlike a draw by detail it does not prefer the sharpest edges of the part to its faces.
    """
    height, width = image.shape[:2]
    if rng.random() < ELSEWHERE:
        return np.asarray(rng.random(2) * np.array([width, height]))
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    detail = cv2.blur(cv2.absdiff(grey, cv2.blur(grey, (9, 9))), (9, 9))
    weights = cv2.resize(detail, (CELLS, CELLS), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)
    weights = np.minimum(weights, np.quantile(weights, 0.95) / 2)
    weights = np.maximum(weights - np.quantile(weights, 0.3), 0) + 1e-6
    cell = rng.choice(weights.size, p=weights / weights.sum())
    return np.asarray((np.array([cell % CELLS, cell // CELLS]) + rng.random(2)) * np.array([width, height]) / CELLS)


def graft(image: Image, side: float, rng: np.random.Generator) -> Image:
    """A piece of the part where another belongs: with soft or hard edges, or fitted in by Poisson's equation.

    Args:
        image: BGR uint8 [H, W, 3].
        side: of the whole picture, pixels, of which `image` may be a crop; sizes are shares of it.
        rng: where all chance comes from.
    """
    target = place_on_part(image, rng)
    layer = _shifted(image, target, rng) if rng.random() < 0.6 else _turned(image, target, side, rng)
    if rng.random() < 0.5:
        layer = tinted(layer, rng)
    cover = _spot(image, target, _sides(side, 0.015, 0.3, rng), rng)
    if rng.random() < 0.5:
        fitted = _fitted(image, layer, cover, rng)
        if fitted is not None:
            return fitted
    return blend(image, layer, cover, rng)


def bend(image: Image, side: float, rng: np.random.Generator) -> Image:
    """Pixels moved inside a circle: shifted, twisted, or squeezed; see `graft` for the arguments."""
    height, width = image.shape[:2]
    centre = place_on_part(image, rng)
    radius = _drawn(0.025, 0.2, rng) * side
    left, top = (max(0, int(value - radius)) for value in centre)
    right, bottom = min(width, int(centre[0] + radius) + 2), min(height, int(centre[1] + radius) + 2)
    ys, xs = np.mgrid[top:bottom, left:right].astype(np.float32)
    x, y = xs - centre[0], ys - centre[1]
    strength = np.clip(1 - (x * x + y * y) / radius**2, 0, None) ** rng.integers(1, 3)
    kind = rng.random()
    if kind < 0.35:
        angle = strength * rng.uniform(0.5, 2.5) * rng.choice([-1, 1])
        moved = (centre[0] + x * np.cos(angle) - y * np.sin(angle), centre[1] + x * np.sin(angle) + y * np.cos(angle))
    elif kind < 0.55:
        factor = 1 - strength * rng.uniform(-0.9, 0.7)
        moved = (centre[0] + x * factor, centre[1] + y * factor)
    else:
        direction, way = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 0.9) * radius
        moved = (xs + strength * way * math.cos(direction), ys + strength * way * math.sin(direction))
    spoilt: Image = image.copy()
    spoilt[top:bottom, left:right] = cv2.remap(
        image,
        moved[0].astype(np.float32),
        moved[1].astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return spoilt


def smear(image: Image, side: float, rng: np.random.Generator) -> Image:
    """A spot wiped in one direction, flattened, worn or swollen; see `graft` for the arguments."""
    cover = _spot(image, place_on_part(image, rng), _sides(side, 0.02, 0.2, rng), rng)
    kind = rng.random()
    if kind < 0.4:
        layer = cv2.filter2D(image, -1, _stroke(int(rng.integers(5, 16)), rng.uniform(0, math.pi)))
    elif kind < 0.7:
        layer = cv2.medianBlur(image, int(rng.choice([5, 7, 9, 11])))
    else:
        size = int(rng.integers(3, 8))
        shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        layer = cv2.erode(image, shape) if rng.random() < 0.5 else cv2.dilate(image, shape)
    worn = np.asarray(layer, np.uint8)
    return blend(image, tinted(worn, rng) if rng.random() < 0.4 else worn, cover, rng)


def shade(image: Image, side: float, rng: np.random.Generator) -> Image:
    """A spot brighter, darker or mottled; see `graft` for the arguments."""
    height, width = image.shape[:2]
    cover = _spot(image, place_on_part(image, rng), _sides(side, 0.015, 0.2, rng), rng)
    layer, gain = image.astype(np.float32), math.exp(rng.uniform(0.15, 0.9) * rng.choice([-1, 1]))
    if rng.random() < 0.5:
        grains = max(2, int(side / _drawn(2, 24, rng)))
        noise = rng.standard_normal((grains, grains)).astype(np.float32)
        layer = layer + cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None] * rng.uniform(
            15, 50
        )
        gain = math.exp(rng.uniform(-0.5, 0.5))
    layer = np.clip(layer * gain + rng.uniform(-15, 15), 0, 255)
    return blend(image, np.asarray(layer, np.uint8), cover, rng)


def scrape(image: Image, side: float, rng: np.random.Generator) -> Image:
    """A spot ground off: an even or graded face with streaks, in a tone of the picture; see `graft`."""
    height, width = image.shape[:2]
    centre, sides = place_on_part(image, rng), _sides(side, 0.015, 0.12, rng)
    cover = _spot(image, centre, sides, rng)
    if not cover.any():
        return image
    if rng.random() < 0.5:
        contrast = max(float(image.mean(axis=2).std()), 15.0)
        tone = image[cover > 0].mean(axis=0) + rng.choice([-1, 1]) * rng.uniform(0.3, 1.5) * contrast
    else:
        tone = image[rng.integers(height), rng.integers(width)] + rng.normal(0, 8)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    way = rng.uniform(0, 2 * math.pi)
    slope = (math.cos(way) * (xs - centre[0]) + math.sin(way) * (ys - centre[1])) / float(sides.max())
    grains = rng.standard_normal((height, width), dtype=np.float32)
    streaks = cv2.filter2D(grains, -1, _stroke(int(rng.integers(3, 12)), rng.uniform(0, math.pi)))
    relief = slope * rng.uniform(0, 50) + streaks / (streaks.std() + 1e-6) * rng.uniform(2, 22)
    layer = tone + relief[..., None]
    if rng.random() < 0.4:  # the part's own grain shows through
        layer = layer + (image - cv2.blur(image, (9, 9)).astype(np.float32)) * rng.uniform(0.2, 1)
    return blend(image, np.asarray(np.clip(layer, 0, 255), np.uint8), cover, rng)


def chip(image: Image, side: float, rng: np.random.Generator) -> Image:
    """What stands beside in place of what was there: a contour broken off, or grown; see `graft` for the arguments."""
    sides = _sides(side, 0.015, 0.1, rng)
    cover = _spot(image, place_on_part(image, rng), sides, rng)
    way, far = rng.uniform(0, 2 * math.pi), float(sides.max()) * rng.uniform(0.5, 1.6)
    beside = np.roll(image, (round(far * math.sin(way)), round(far * math.cos(way))), (0, 1))
    return blend(image, beside, cover, rng)


def _drawn(low: float, high: float, rng: np.random.Generator) -> float:
    """Between both, each octave equally likely."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _sides(side: float, low: float, high: float, rng: np.random.Generator) -> NDArray[np.float64]:
    length = _drawn(low, high, rng) * side
    stretch = math.exp(rng.uniform(0, 1.5) / 2) if rng.random() < 0.6 else 1.0
    return np.asarray(np.maximum([length * stretch, length / stretch], SMALLEST))


def _spot(image: Image, centre: NDArray[np.float64], sides: NDArray[np.float64], rng: np.random.Generator) -> Mask:
    """An ellipse, a rectangle or a ragged shape: 255 inside."""
    cover = np.zeros(image.shape[:2], np.uint8)
    angle, kind = rng.uniform(0, 360), rng.random()
    if kind < 0.35:
        middle, axes = ([int(value) for value in pair] for pair in (centre, np.maximum(sides / 2, 1)))
        cv2.ellipse(cover, middle, axes, angle, 0, 360, (255,), -1)
        return cover
    if kind < 0.55:
        corners = cv2.boxPoints((tuple(map(float, centre)), tuple(map(float, sides)), angle))
    else:
        count = rng.integers(5, 12)
        around, away = np.sort(rng.uniform(0, 2 * math.pi, count)), rng.uniform(0.5, 1.0, count)
        x, y = np.cos(around) * away * sides[0] / 2, np.sin(around) * away * sides[1] / 2
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        corners = np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1) + centre
    cv2.fillPoly(cover, [np.round(corners).astype(np.int32)], (255,))
    return cover


def _shifted(image: Image, target: NDArray[np.float64], rng: np.random.Generator) -> Image:
    """The picture after quarter turns and mirroring, another place of the part at `target`: as sharp as it was."""
    moved = np.rot90(image, int(rng.integers(4)) if image.shape[0] == image.shape[1] else 2 * int(rng.integers(2)))
    moved = np.ascontiguousarray(moved[:, ::-1] if rng.random() < 0.5 else moved)
    x, y = np.round(target - place_on_part(moved, rng)).astype(int)
    return np.roll(moved, (int(y), int(x)), (0, 1))


def _turned(image: Image, target: NDArray[np.float64], side: float, rng: np.random.Generator) -> Image:
    """The picture turned and scaled, another place of the part, or one nearby, at `target`."""
    source = target + rng.normal(0, 0.06 * side, 2) if rng.random() < 0.5 else place_on_part(image, rng)
    angle = rng.uniform(0, 360) if rng.random() < 0.6 else rng.normal(0, 10)
    matrix = cv2.getRotationMatrix2D((float(source[0]), float(source[1])), angle, math.exp(rng.uniform(-0.4, 0.4)))
    matrix = np.c_[matrix[:, :2], matrix[:, 2] + target - source]
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def _fitted(image: Image, layer: Image, cover: Mask, rng: np.random.Generator) -> Image | None:
    """`layer` where `cover` is 255, its rim continued from the picture; None where it touches the picture's border."""
    x, y, width, height = cv2.boundingRect(cover)
    inside = x > 1 and y > 1 and x + width < image.shape[1] - 2 and y + height < image.shape[0] - 2
    if not inside or min(width, height) < SMALLEST:
        return None
    part = np.s_[y - 1 : y + height + 1, x - 1 : x + width + 1]
    mode = cv2.MIXED_CLONE if rng.random() < 0.3 else cv2.NORMAL_CLONE
    middle = (x + width // 2, y + height // 2)
    source, mask = np.ascontiguousarray(layer[part]), np.ascontiguousarray(cover[part])
    return np.asarray(cv2.seamlessClone(source, image, mask, middle, mode), np.uint8)


def _stroke(size: int, angle: float) -> NDArray[np.float32]:
    """A line as filter: blur in one direction."""
    kernel = np.zeros((size, size), np.float32)
    middle, x, y = size / 2, math.cos(angle) * size / 2, math.sin(angle) * size / 2
    cv2.line(kernel, (int(middle - x), int(middle - y)), (int(middle + x), int(middle + y)), (1.0,))
    return np.asarray(kernel / max(float(kernel.sum()), 1.0), np.float32)
