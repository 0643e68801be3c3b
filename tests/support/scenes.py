"""Small pictures of a made-up connector, with what may happen to them, for tests of the inspection."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

REGION = ((60.0, 60.0), (340.0, 60.0), (340.0, 220.0), (60.0, 220.0))


def connector(height: int = 280, width: int = 400) -> Image:
    """A shell with two rows of equal pins on a brushed panel with two screws; the same at each call."""
    rng = np.random.default_rng(7)
    grain = cv2.GaussianBlur(rng.normal(0, 40, (height, width)), (31, 1), 0)
    panel = np.repeat((150 + grain)[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    cv2.rectangle(panel, (50, 50), (width - 50, height - 50), (200, 205, 210), -1)
    cv2.rectangle(panel, (70, 70), (width - 70, height - 70), (40, 35, 60), -1)
    for row, y in enumerate((height // 2 - 25, height // 2 + 25)):
        for x in range(100 + 12 * row, width - 90, 24):
            cv2.circle(panel, (x, y), 8, (90, 190, 220), 2, cv2.LINE_AA)
    for x in (25, width - 25):
        cv2.circle(panel, (x, height // 2), 16, (120, 120, 125), -1, cv2.LINE_AA)
        cv2.line(panel, (x - 10, height // 2 - 4), (x + 10, height // 2 + 4), (50, 50, 50), 3, cv2.LINE_AA)
    noisy = cv2.GaussianBlur(panel, (0, 0), 0.7) + rng.normal(0, 1.5, panel.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def motion(
    image: Image, shift: tuple[float, float] = (0, 0), degrees: float = 0, zoom: float = 1
) -> NDArray[np.float64]:
    """3 × 3 matrix of a turn and zoom about the picture's centre, then a shift."""
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), degrees, zoom)
    matrix[:2, 2] += shift
    return matrix


def moved(image: Image, matrix: NDArray[np.float64]) -> Image:
    """What a camera sees of the part after the motion; the surroundings reflect."""
    size = image.shape[1], image.shape[0]
    return np.asarray(
        cv2.warpAffine(image, matrix[:2], size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def noisy(image: Image, seed: int = 0, gain: float = 1.0) -> Image:
    """The picture taken once more, in other light."""
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return (image * gain + noise).clip(0, 255).astype(np.uint8)


def with_object(image: Image, box: tuple[int, int, int, int], colour: tuple[int, int, int] = (250, 250, 250)) -> Image:
    """A flat object over the half-open box x0, y0, x1, y1."""
    x0, y0, x1, y1 = box
    picture = image.copy()
    picture[y0:y1, x0:x1] = colour
    return picture
