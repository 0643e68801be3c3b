"""Pseudo-anomalies on good pictures, with masks: confetti noise and CutPaste as published, and damage of the part.

Confetti noise after Liznerski et al., Explainable deep one-class classification, ICLR 2021; CutPaste and its scars
after Li et al., CutPaste, CVPR 2021. Three things are ours: masks are cut to the pixels that really changed, since
background pasted on background is no anomaly; half of all anomalies are put where the picture shows detail, since most
of a picture may be an empty table; and a picture without colour gets none, since a spot of colour is found too easily.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.synthesis.blending import Image, Mask, blend, tinted
from build_engine.synthesis.local_defects import bend, chip, graft, scrape, shade, smear

VISIBLE = 14  # grey levels; less than that no one sees
ATTEMPTS = 8
MOST = 3  # anomalies in one picture
DAMAGE = (  # how often; else as published
    (graft, 0.25),
    (bend, 0.2),
    (scrape, 0.15),
    (chip, 0.1),
    (shade, 0.1),
    (smear, 0.05),
)


def pseudo_anomaly(
    image: Image, rng: np.random.Generator, *, side: float | None = None, published: bool = False
) -> tuple[Image, Mask]:
    """One to three anomalies: damage of the part itself, confetti noise or CutPaste.

    Args:
        image: BGR uint8 [H, W, 3], a good picture, or a crop of one.
        rng: where all chance comes from.
        side: of the whole picture, pixels; None: `image` is whole.
        published: confetti noise and CutPaste alone, each half of the time.

    Returns:
        The picture with the anomaly, a new array; uint8 [H, W], 1 where it differs visibly, never empty unless the
        picture is all one colour.
    """
    side, grey = side or min(image.shape[:2]), not published and _is_grey(image)
    for _ in range(ATTEMPTS):
        spoilt = image
        for _ in range(rng.integers(1, MOST + 1)):
            spoilt = _spoilt(spoilt, side, rng, published)
        if grey:
            spoilt = np.asarray(cv2.cvtColor(cv2.cvtColor(spoilt, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
        mask = _changed(image, spoilt)
        if mask.any():
            return spoilt, mask
    return spoilt, mask


def _spoilt(image: Image, side: float, rng: np.random.Generator, published: bool) -> Image:
    drawn = 1.0 if published else rng.random()
    for damage, share in DAMAGE:
        if drawn < share:
            return damage(image, side, rng)
        drawn -= share
    return confetti(image, rng) if rng.random() < 0.5 else cut_paste(image, rng)


def confetti(image: Image, rng: np.random.Generator) -> Image:
    """Small rectangles and ellipses of one or many colours, in a cluster or scattered."""
    height, width = image.shape[:2]
    layer, cover = image.copy(), np.zeros(image.shape[:2], np.uint8)
    centre = _place(image, rng)
    spread = rng.uniform(0.02, 0.2) * min(height, width)
    colour = _colour(image, rng)
    largest = np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
    for _ in range(rng.integers(1, max(1, min(12, int(0.5 / largest))) + 1)):
        middle = centre + rng.normal(0, spread, 2)
        sides = largest * rng.uniform(0.3, 1.0, 2) * min(height, width)
        if rng.random() < 0.5:
            colour = _colour(image, rng)
        shape = (tuple(middle), tuple(np.maximum(sides, 1.5)), rng.uniform(0, 180))
        if rng.random() < 0.5:
            axes = _rounded(sides / 2 + 1)
            outline = np.array(cv2.ellipse2Poly(_rounded(middle), axes, int(shape[2]), 0, 360, 15), np.int32)
        else:
            outline = np.round(cv2.boxPoints(shape)).astype(np.int32)
        cv2.fillPoly(layer, [outline], [int(value) for value in colour])
        cv2.fillPoly(cover, [outline], 255)
    return blend(image, layer, cover, rng)


def cut_paste(image: Image, rng: np.random.Generator) -> Image:
    """A piece of the picture, or a thin scar of it, turned and tinted a little, put where it does not belong."""
    height, width = image.shape[:2]
    side = min(height, width)
    if rng.random() < 0.4:
        sides = np.array([rng.uniform(0.04, 0.25), rng.uniform(0.008, 0.06)]) * side  # a scar
    else:
        area, ratio = np.exp(rng.uniform(np.log(0.001), np.log(0.25))), np.exp(rng.uniform(-1.2, 1.2))
        sides = np.sqrt(area * np.array([ratio, 1 / ratio])) * side
    target = _place(image, rng)
    source = target + rng.normal(0, 0.08 * side, 2) if rng.random() < 0.5 else _place(image, rng)
    angle = rng.uniform(0, 360) if rng.random() < 0.7 else 0.0
    matrix = cv2.getRotationMatrix2D((float(source[0]), float(source[1])), rng.uniform(0, 360), 1.0)
    matrix = np.c_[matrix[:, :2], matrix[:, 2] + target - source]
    moved: Image = np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8
    )
    if rng.random() < 0.5:
        moved = tinted(moved, rng)
    cover: Mask = np.zeros(image.shape[:2], np.uint8)
    corners = cv2.boxPoints((tuple(target), tuple(np.maximum(sides, 2.0)), angle))
    cv2.fillPoly(cover, [np.round(corners).astype(np.int32)], 255)
    return blend(image, moved, cover, rng)


def _is_grey(image: Image) -> bool:
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())


def _rounded(values: NDArray[np.float64]) -> tuple[int, int]:
    x, y = (int(value) for value in np.rint(values))
    return x, y


def _colour(image: Image, rng: np.random.Generator) -> NDArray[np.float64]:
    """Any colour, or, half of the time, about one that the picture holds: grey on a picture of grey things."""
    if rng.random() < 0.5:
        return np.asarray(rng.uniform(0, 255, 3))
    row, column = rng.integers(image.shape[0]), rng.integers(image.shape[1])
    return np.asarray(np.clip(image[row, column] + rng.normal(0, 8, 3), 0, 255))


def _place(image: Image, rng: np.random.Generator) -> NDArray[np.float64]:
    """A point (x, y): anywhere, or, half of the time, more likely where the picture shows detail."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        return np.asarray(rng.random(2) * np.array([width, height]))
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (64, 64), interpolation=cv2.INTER_AREA)
    detail = cv2.blur(np.abs(cv2.Laplacian(small, cv2.CV_32F)), (5, 5)).ravel().astype(np.float64) + 1e-3
    cell = rng.choice(detail.size, p=detail / detail.sum())
    return np.asarray((np.array([cell % 64, cell // 64]) + rng.random(2)) * np.array([width, height]) / 64)


def _changed(image: Image, spoilt: Image) -> Mask:
    changed = (cv2.absdiff(image, spoilt).max(axis=2) >= VISIBLE).astype(np.uint8)
    changed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return np.asarray(cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), np.uint8)
