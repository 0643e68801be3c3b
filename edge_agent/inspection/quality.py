"""Is the picture good enough to be judged? Always in comparison with the template: a dark part may be dark."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.inspection.inspection import Reason

DARK = 0.3  # brightness of the brightest parts against the template's, below which details drown in noise
BRIGHT = 0.4  # more of the picture overexposed than in the template
BLURRED = 0.2  # sharpness against the template's; a slightly soft picture has 0.5, one where small objects fade 0.15
SATURATED = 250


@dataclass(frozen=True)
class Quality:
    """What is measured of one picture inside the region.

    Attributes:
        brightness: grey level that only the brightest hundredth exceeds, 0..255.
        overexposed: share of pixels at the end of the range, 0..1.
        sharpness: energy of fine edges as a share of that of coarse ones.
    """

    brightness: float
    overexposed: float
    sharpness: float


def measure(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Quality:
    """Measure a picture, BGR uint8 [H, W, 3], where mask, uint8 [H, W], is not zero."""
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    histogram = cv2.calcHist([gray], [0], mask, [256], [0, 256]).ravel()
    share = np.cumsum(histogram) / max(float(histogram.sum()), 1.0)
    fine, coarse = _edge_energy(gray, 1.0, mask), _edge_energy(gray, 4.0, mask)
    return Quality(
        brightness=float(np.searchsorted(share, 0.99)),
        overexposed=float(1 - share[SATURATED - 1]),
        sharpness=fine / (coarse + 1e-3),
    )


def check(test: Quality, template: Quality) -> Reason | None:
    """Why the picture must not be judged; None if it may."""
    if test.brightness < DARK * template.brightness:
        return Reason("too-dark", f"brightness {test.brightness:.0f}, the template has {template.brightness:.0f}")
    if test.overexposed > template.overexposed + BRIGHT:
        return Reason(
            "too-bright", f"{test.overexposed:.0%} is overexposed, in the template {template.overexposed:.0%}"
        )
    if test.sharpness < BLURRED * template.sharpness:
        share = test.sharpness / template.sharpness
        return Reason("blurred", f"{share:.0%} as sharp as the template, at least {BLURRED:.0%} is needed")
    return None


def digest(image: NDArray[np.uint8]) -> str:
    """Of every eighth row: two frames of a live camera never agree there, not even of a part at rest."""
    return hashlib.blake2b(np.ascontiguousarray(image[::8]).data, digest_size=16).hexdigest()


def _edge_energy(gray: NDArray[np.uint8], sigma: float, mask: NDArray[np.uint8]) -> float:
    """Mean squared gradient of the picture smoothed by `sigma` pixels. From sigma 4 at a quarter resolution."""
    step = 4 if sigma >= 4 else 1
    if step > 1:
        size = max(1, gray.shape[1] // step), max(1, gray.shape[0] // step)
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    smooth = cv2.GaussianBlur(gray, (0, 0), sigma / step)
    gradients = (cv2.Sobel(smooth, cv2.CV_16S, across, 1 - across) for across in (1, 0))
    # Masked first: a norm with a mask takes ten times as long.
    total = sum(cv2.norm(cv2.copyTo(gradient, mask), cv2.NORM_L2SQR) for gradient in gradients)
    return total / (8 * step) ** 2 / max(cv2.countNonZero(mask), 1)
