"""What a rigid registration leaves over: a smooth field of small shifts (a bent part, perspective, a stretched print).

Lucas-Kanade over wide windows: a window is far larger than an object, and only the template's own edges pull, with
robust weights, so that the template is never bent to look like an object that lies on the part.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]
Field = NDArray[np.float32]  # [h, w, 2], pixels along x and y

CELL = 8  # pixels that share one shift of the field …
WINDOW = 3.0  # … which is estimated over a Gaussian of so many cells
LIMIT = 4.0  # pixels along each axis; more is no bend, it is another part
STIFFNESS = 2e-4  # mean squared gradient below which a window is too plain to say how it moved
HALF_STEPS, FULL_STEPS = 3, 1  # improvements at half and at full resolution


def shift_field(template: Gray, test: Gray) -> Field:
    """Small shifts between two registered pictures of the same size.

    Args:
        template, test: float32 [H, W], local contrast about -1..1.

    Returns:
        float32 [H / 8, W / 8, 2]: what is at (x, y) of the test is at (x, y) + field of the template, in pixels.
    """
    height, width = test.shape
    grid = (max(2, width // CELL), max(2, height // CELL))
    field = np.zeros((grid[1], grid[0], 2), np.float32)
    half = (max(2, width // 2), max(2, height // 2))
    small = [
        np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.float32) for image in (template, test)
    ]
    for _ in range(HALF_STEPS):
        field = _limited(field + 2 * _step(small[0], small[1], field * np.float32(0.5)))
    for _ in range(FULL_STEPS):
        field = _limited(field + _step(template, test, field))
    return field


def shifted(image: Gray, field: Field) -> Gray:
    """The image, float32 [H, W], as seen through a field spread over it."""
    height, width = image.shape
    spread = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
    x = spread[..., 0] + np.arange(width, dtype=np.float32)
    y = spread[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _step(template: Gray, test: Gray, field: Field) -> Field:
    """The change of each cell's shift that lessens the difference around it most."""
    seen = shifted(template, field)
    gx = cv2.Scharr(seen, cv2.CV_32F, 1, 0, scale=1 / 32)
    gy = cv2.Scharr(seen, cv2.CV_32F, 0, 1, scale=1 / 32)
    error = test - seen
    weight = np.reciprocal(1 + 4 * error * error, dtype=np.float32)
    size = field.shape[1], field.shape[0]

    def around(values: Gray) -> Gray:
        cells = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(cells, (0, 0), WINDOW, borderType=cv2.BORDER_REFLECT), np.float32)

    wx, wy = weight * gx, weight * gy
    xx, xy, yy = around(wx * gx) + STIFFNESS, around(wx * gy), around(wy * gy) + STIFFNESS
    bx, by = around(wx * error), around(wy * error)
    determinant = xx * yy - xy * xy
    shift = np.stack([yy * bx - xy * by, xx * by - xy * bx], axis=-1) / determinant[..., None]
    return np.asarray(shift, np.float32)


def _limited(field: Field) -> Field:
    return np.clip(field, -LIMIT, LIMIT)
