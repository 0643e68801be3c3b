"""What may differ between two photographs of the same part and is no foreign object.

The paper's five (Table 1: brightness, rotation, shift, light, Gaussian noise), each on
its own for test and template, and what real pairs showed beside: blur, tone,
JPEG, local warping, contacts and glints that are brighter in one photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Motion:
    """A displacement field: where in the source each pixel comes from, float32 [H, W] each."""

    x: Floats
    y: Floats

    def move(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture after the motion, same type, borders reflected."""
        moved = cv2.remap(image, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(moved, dtype=np.uint8)


def random_motion(rng: np.random.Generator, size: int, aligned_share: float, largest_shift: float) -> Motion | None:
    """What registration leaves: nothing, a fraction of a pixel, or at times some pixels; rigid, with local warping.

    None where the pair stays perfectly aligned.
    """
    kind = rng.random()
    if kind < aligned_share:
        return None
    if kind < 0.7:
        angle, scale, shift = rng.normal(0, 0.15), 1 + rng.normal(0, 0.0015), rng.normal(0, 0.8, 2)
    else:
        angle, scale = rng.normal(0, 0.5), 1 + rng.normal(0, 0.003)
        shift = rng.uniform(-1, 1, 2) * largest_shift
    matrix: NDArray[np.float64] = np.asarray(cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale), np.float64)
    matrix[:, 2] += shift
    xs, ys = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    x = matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2]
    y = matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2]
    if rng.random() < 0.35:
        knots = int(rng.integers(3, 9))
        field = rng.normal(0, rng.uniform(0.2, 1.2), (knots, knots, 2)).astype(np.float32)
        warp = np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
        x, y = x + warp[:, :, 0], y + warp[:, :, 1]
    return Motion(x.astype(np.float32), y.astype(np.float32))


def vary_surfaces(rng: np.random.Generator, image: Image) -> Image:
    """Some surfaces reflect more or less than in the other photo, some shadows have moved.

    Within a few soft ellipses the pixels get another gain: all of them (a shadow, the shine of a curved
    surface), or those brighter or darker than their mean (one material), so that every sharp change
    of brightness follows an edge that both photos show. A sharp edge in one photo alone is a foreign object.
    """
    size = image.shape[0]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    gain = np.ones_like(grey)
    for _ in range(int(rng.integers(1, 9))):
        radius = float(np.exp(rng.uniform(np.log(7), np.log(100))))
        cx, cy = rng.uniform(0, size, 2)
        x0, x1 = max(0, int(cx - radius)), min(size, int(cx + radius) + 1)
        y0, y1 = max(0, int(cy - radius)), min(size, int(cy + radius) + 1)
        if x1 - x0 < 4 or y1 - y0 < 4:
            continue
        weight = _soft_ellipse(rng, np.arange(x0, x1) - cx, np.arange(y0, y1) - cy, radius)
        if rng.random() < 0.6:
            local = grey[y0:y1, x0:x1]
            contrast = (local - local.mean()) / (local.std() + 8)
            weight = weight / (1 + np.exp(np.clip(-4 * rng.choice([-1, 1]) * contrast, -30, 30)))
        gain[y0:y1, x0:x1] *= 1 + (np.exp(rng.uniform(-0.65, 0.65)) - 1) * weight
    smooth = np.asarray(cv2.GaussianBlur(gain, (0, 0), 1.0), dtype=np.float32)
    varied = np.asarray(np.clip(image * smooth[:, :, None], 0, 255), dtype=np.uint8)
    return _vary_flats(rng, varied) if rng.random() < 0.7 else varied


def _vary_flats(rng: np.random.Generator, image: Image) -> Image:
    """Whole flat surfaces, up to their edges, brighter or darker by up to a factor of 2.5, as sockets and pins are,
    and the glints on them moved.

    A surface is what a flood fill reaches; it counts only where an edge surrounds it, so that no new edge is made.
    """
    size = image.shape[0]
    smooth = cv2.GaussianBlur(image, (0, 0), 1.2)
    result = image.astype(np.float32)
    for _ in range(int(rng.integers(4, 25))):
        seed = (int(rng.integers(size)), int(rng.integers(size)))
        reach = (int(rng.integers(8, 32)),) * 3
        flooded = np.zeros((size + 2, size + 2), np.uint8)
        flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
        area, _, _, (x, y, width, height) = cv2.floodFill(smooth, flooded, seed, 0, reach, reach, flags)
        if not 40 <= area <= size * size // 10:
            continue
        place = np.s_[max(0, y - 6) : y + height + 6, max(0, x - 6) : x + width + 6]
        filled = cv2.morphologyEx(flooded[1:-1, 1:-1][place], cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        grown = cv2.dilate(filled, np.ones((3, 3), np.uint8))
        ring = (cv2.dilate(grown, np.ones((5, 5), np.uint8)) > 0) & (grown == 0)
        step = np.abs(smooth[place][ring].astype(np.float32) - smooth[seed[1], seed[0]]).max(axis=1)
        if not len(step) or (step > reach[0] + 12).mean() < 0.85:
            continue
        weight = cv2.GaussianBlur(grown, (0, 0), rng.uniform(0.6, 1.5))[:, :, None] / np.float32(255)
        gain = np.exp(rng.uniform(-0.9, 0.9) + rng.normal(0, 0.1, 3)).astype(np.float32)
        result[place] += weight * (result[place] * (gain - 1) + np.float32(rng.uniform(-12, 12)))
        if rng.random() < 0.5:
            result[place] += weight * _glint(rng, grown.shape)
    return np.asarray(np.clip(result, 0, 255), dtype=np.uint8)


def _glint(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Light that a curved surface throws back at one spot, without an edge, float32 [*shape, 3]; or the lack of it."""
    height, width = shape
    spread = rng.uniform(0.12, 0.5) * max(shape)
    ys, xs = np.arange(height) - rng.uniform(0, height), np.arange(width) - rng.uniform(0, width)
    spot = np.exp(-(ys[:, None] ** 2 + xs[None, :] ** 2) / (2 * spread**2))
    colour = rng.uniform(-20, 90) * rng.uniform(0.5, 1.0, 3)
    return np.asarray(spot[:, :, None] * colour, np.float32)


def _soft_ellipse(
    rng: np.random.Generator, xs: NDArray[np.float64], ys: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """1 in the middle, 0 from the radius on, without an edge; up to three times as long as wide."""
    angle, flat = rng.uniform(0, np.pi), rng.uniform(1, 3)
    along = np.cos(angle) * xs[None, :] + np.sin(angle) * ys[:, None]
    across = flat * (np.cos(angle) * ys[:, None] - np.sin(angle) * xs[None, :])
    inside = np.clip(1 - (along**2 + across**2) / radius**2, 0, 1)
    softened: NDArray[np.float64] = inside ** rng.uniform(1.0, 2.0)
    return softened


def photograph(rng: np.random.Generator, image: Image) -> Image:
    """One exposure of the scene: light, tone, focus, noise, compression, each by chance."""
    size = image.shape[0]
    x = image.astype(np.float32)
    if rng.random() < 0.6:  # brightness and contrast
        x = (x - 128) * np.float32(rng.uniform(0.75, 1.3)) + np.float32(128 + rng.uniform(-30, 30))
    if rng.random() < 0.25:  # white balance
        x *= rng.uniform(0.88, 1.12, 3).astype(np.float32)
    if rng.random() < 0.2:  # tone curve
        x = np.float32(255) * (np.clip(x, 0, 255) / np.float32(255)) ** np.float32(np.exp(rng.uniform(-0.35, 0.35)))
    if rng.random() < 0.35:
        x += _light(rng, size)
    if rng.random() < 0.4:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.5)), dtype=np.float32)
    if rng.random() < 0.7:
        noise = rng.standard_normal((size, size, 3 if rng.random() < 0.6 else 1), dtype=np.float32)
        if rng.random() < 0.3:
            noise = np.atleast_3d(cv2.GaussianBlur(noise, (0, 0), 0.8)) * np.float32(2)
        x += noise * np.float32(rng.uniform(1, 11))
    result = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
        decoded = cv2.imdecode(cv2.imencode(".jpg", result, quality)[1], cv2.IMREAD_COLOR)
        result = np.asarray(decoded, dtype=np.uint8)
    return result


def _light(rng: np.random.Generator, size: int) -> Floats:
    """A gradient over the picture, or a soft spot of a lamp, float32 [size, size, 1]."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        light = rng.uniform(10, 50) * (np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None])
    else:
        cx, cy = rng.uniform(-1, 1, 2)
        spread = rng.uniform(0.15, 0.8) ** 2
        squared = (axis[None, :] - cx) ** 2 + (axis[:, None] - cy) ** 2
        light = rng.uniform(-60, 60) * np.exp(-squared / (2 * spread))
    return np.asarray(light[:, :, None], dtype=np.float32)


def printed(rng: np.random.Generator, image: Image) -> Image:
    """A black-and-white print, photographed and cut to black and white again: every edge is jagged in its own way."""
    grey = cv2.GaussianBlur(image[:, :, 0].astype(np.float32), (0, 0), rng.uniform(0.7, 1.4))
    grain = cv2.GaussianBlur(rng.standard_normal(image.shape[:2], dtype=np.float32), (0, 0), rng.uniform(0.7, 1.6))
    level = 128 + rng.uniform(-35, 35)
    cut = np.where(grey + grain * np.float32(rng.uniform(15, 130)) > level, 255, 0).astype(np.uint8)
    return np.repeat(cut[:, :, None], 3, axis=2)
