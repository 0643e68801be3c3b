"""What a rigid registration leaves over: a smooth field of small shifts (a bent part, perspective, a stretched print).

Lucas-Kanade over wide windows: a window is far larger than an object, and only the template's own edges pull, with
robust weights, so that the template is never bent to look like an object that lies on the part.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]

CELL = 8  # pixels of the finest picture that share one shift of the field …
WINDOW = 3.0  # … which is estimated over a Gaussian of so many cells
LIMIT = 4.0  # pixels; more is no bend, it is another part
STIFFNESS = 2e-4  # mean squared gradient below which a window is too plain to say how it moved


def shift_field(template: Gray, test: Gray) -> NDArray[np.float32]:
    """Small shifts between two registered pictures of the same size.

    Args:
        template, test: float32 [H, W], local contrast about -1..1.

    Returns:
        float32 [H, W, 2]: what is at (x, y) of the test is at (x, y) + field of the template. At most LIMIT long.
    """
    height, width = test.shape
    field = np.zeros((height, width, 2), np.float32)
    for level, steps in ((1, 3), (0, 2)):
        step = 2**level
        small_template, small_test = (_reduced(image, step) for image in (template, test))
        size = small_test.shape[::-1]
        small = cv2.resize(field, size, interpolation=cv2.INTER_LINEAR) / step
        for _ in range(steps):
            small = _improve(small, small_template, small_test, CELL // step, LIMIT / step)
        field = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) * step
    return np.asarray(field, np.float32)


def shifted(image: NDArray[np.float32], field: NDArray[np.float32]) -> Gray:
    """The image, float32 [H, W], as seen through the field."""
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(image, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


def _improve(field: NDArray[np.float32], template: Gray, test: Gray, cell: int, limit: float) -> NDArray[np.float32]:
    """One step: the shift of each cell that lessens the difference around it most."""
    seen = shifted(template, field)
    gx = cv2.Scharr(seen, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(seen, cv2.CV_32F, 0, 1, scale=1 / 32)
    error = test - seen
    weight = (1 / (1 + (error / 0.5) ** 2)).astype(np.float32)
    height, width = test.shape
    grid = (max(2, width // cell), max(2, height // cell))

    def around(values: Gray) -> Gray:
        coarse = cv2.resize(values, grid, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(coarse, (0, 0), WINDOW, borderType=cv2.BORDER_REFLECT), np.float32)

    wx, wy = weight * gx, weight * gy
    xx, xy, yy = around(wx * gx) + STIFFNESS, around(wx * gy), around(wy * gy) + STIFFNESS
    bx, by = around(wx * error), around(wy * error)
    determinant = xx * yy - xy * xy
    step = np.stack([(yy * bx - xy * by) / determinant, (xx * by - xy * bx) / determinant], axis=-1)
    step = cv2.resize(step.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    moved = field + step
    length = np.maximum(np.linalg.norm(moved, axis=-1, keepdims=True), 1e-6)
    return np.asarray(moved * np.minimum(1.0, limit / length), np.float32)


def _reduced(image: Gray, step: int) -> Gray:
    height, width = image.shape
    size = max(1, width // step), max(1, height // step)
    return np.asarray(image if step == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
