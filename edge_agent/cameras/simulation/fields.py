"""Scalar fields over the picture: coordinates in millimetres, signed distances, noise textures.

Signed distances are in millimetres, negative inside. All fields are float32 [H, W].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def field(values: Any) -> Field:
    """What NumPy or OpenCV made of fields, as a float32 field again."""
    return np.asarray(values, np.float32)


@dataclass(frozen=True)
class Grid:
    """Where each pixel stands: x to the right, y down, in mm from the optical axis; `scale` in pixels per mm."""

    x: Field
    y: Field
    scale: float

    @classmethod
    def centred(cls, width: int, height: int, scale: float) -> Grid:
        """A grid of width × height pixels around the optical axis."""
        columns = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / scale
        rows = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / scale
        x, y = np.meshgrid(columns, rows)
        return cls(field(x), field(y), float(scale))

    def window(self, x: float, y: float, radius: float) -> tuple[slice, slice]:
        """Rows and columns of the square of half side `radius` mm around (x, y), cut at the border."""
        height, width = self.x.shape
        column, row, reach = x * self.scale + (width - 1) / 2, y * self.scale + (height - 1) / 2, radius * self.scale
        rows = slice(max(0, int(row - reach)), min(height, int(row + reach) + 2))
        return rows, slice(max(0, int(column - reach)), min(width, int(column + reach) + 2))

    def cut(self, window: tuple[slice, slice]) -> Grid:
        """The part of the grid in a window."""
        return Grid(self.x[window], self.y[window], self.scale)

    def coverage(self, distance: Field) -> Field:
        """How much of each pixel lies inside, 0..1: anti-aliased mask of a signed distance."""
        return field(np.clip(0.5 - distance * self.scale, 0, 1))


def box(grid: Grid, width: float, height: float, radius: float) -> Field:
    """Signed distance to a rectangle with round corners, around the axis."""
    dx = np.abs(grid.x) - (width / 2 - radius)
    dy = np.abs(grid.y) - (height / 2 - radius)
    outside = cv2.magnitude(np.maximum(dx, 0), np.maximum(dy, 0))
    return field(outside + np.minimum(np.maximum(dx, dy), 0) - radius)


def disc(grid: Grid, radius: float, x: float = 0.0, y: float = 0.0) -> Field:
    """Signed distance to a disc."""
    return field(cv2.magnitude(grid.x - np.float32(x), grid.y - np.float32(y)) - radius)


def convex(grid: Grid, corners: list[tuple[float, float]], radius: float) -> Field:
    """Signed distance to a convex polygon (corners clockwise on the screen) grown by `radius`: with round corners."""
    nearest = np.full(grid.x.shape, np.inf, np.float32)
    deepest = np.full(grid.x.shape, -np.inf, np.float32)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ex, ey = bx - ax, by - ay
        length = float(np.hypot(ex, ey))
        px, py = grid.x - ax, grid.y - ay
        along = np.clip((px * ex + py * ey) / length**2, 0, 1)
        nearest = np.minimum(nearest, cv2.magnitude(px - along * ex, py - along * ey))
        deepest = np.maximum(deepest, (px * ey - py * ex) / length)
    return field(np.where(deepest > 0, nearest, deepest) - radius)


def smoothstep(low: float, high: float, values: Field) -> Field:
    """0 below `low`, 1 above `high`, smooth between; low may be the greater one."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return field(t * t * (3 - 2 * t))


def grain(rng: np.random.Generator, shape: tuple[int, int], size: float) -> Field:
    """Noise of mean 0 and deviation 1 whose spots are about `size` pixels wide."""
    return _noise(rng, shape, size, size)


def brushed(rng: np.random.Generator, shape: tuple[int, int], length: float, width: float) -> Field:
    """Horizontal streaks of about length × width pixels, mean 0 and deviation 1."""
    return _noise(rng, shape, length, width)


def _noise(rng: np.random.Generator, shape: tuple[int, int], across: float, down: float) -> Field:
    height, width = shape
    small = (int(height / max(1.0, down)) + 4, int(width / max(1.0, across)) + 4)
    noise = cv2.resize(
        rng.standard_normal(small, np.float32),
        None,
        fx=max(1.0, across),
        fy=max(1.0, down),
        interpolation=cv2.INTER_CUBIC,
    )[:height, :width]
    return field((noise - noise.mean()) / (noise.std() + 1e-6))
