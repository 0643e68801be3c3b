"""One simulated part after another: a scene with its own pose, light, contacts and perhaps a foreign object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.cameras.camera import SimulatedTruth
from edge_agent.cameras.simulation.fields import field
from edge_agent.cameras.simulation.objects import KINDS, LENGTHS, Patch, make_object
from edge_agent.cameras.simulation.scene import LIGHTS, Scene
from edge_agent.cameras.simulation.shading import Picture
from edge_agent.errors import CameraError

SHIFT, TURN, SCALE = 0.005, 1.0, 0.005  # pose jitter: share of the width, degrees, share
NOISE = 2.1  # deviation of the sensor noise, grey levels
JPEG_QUALITY = 93
MIN_CONTRAST = 24.0  # grey levels that an object differs at least from what it covers, on average …
MIN_VISIBLE = 0.75  # … and share of its pixels that differ by half of that: no black hairs on black plastic
SHORTEST = 6.0  # pixels; no object is shorter
SOLID = 0.35  # coverage from which a pixel belongs to the object
ATTEMPTS = 60
CLEAN = SimulatedTruth(kind="", bbox_px=None, length_px=0.0)


@dataclass(frozen=True)
class _Placed:
    """An object in the scene, whole-scene coordinates: its patch, and the pixels (x, y) that it covers."""

    patch: Patch
    x: int
    y: int
    pixels: NDArray[np.float32]


class PartMaker:
    """Takes pictures of parts. The same scene, seed and number give the same picture, in any order."""

    def __init__(self, scene: Scene, width: int, height: int, seed: int, share: float) -> None:
        self.scene, self.size, self.seed, self.share = scene, (width, height), seed, share
        bank = np.random.default_rng([seed, 1]).standard_normal((height + 61, width + 53, 3), np.float32)
        # a sensor behind a colour filter smears its noise over neighbouring pixels
        self._noise = field(cv2.GaussianBlur(bank, (0, 0), 0.55)) * np.float32(NOISE / 0.52)
        self._vignette = _vignette(width, height)

    def part(self, number: int) -> tuple[NDArray[np.uint8], SimulatedTruth]:
        """Picture (BGR uint8 [H, W, 3]) and truth of a part."""
        rng = np.random.default_rng([self.seed, 2, number])
        loaded = bool(rng.random() < self.share)
        sheen = float(rng.uniform(0, 1))
        clean = self._clean(sheen, rng.normal(0, 1, 256))
        pose = self._pose(rng)
        tilt = rng.uniform(-0.025, 0.025, 2)
        brightness = float(rng.uniform(0.95, 1.05))
        truth = CLEAN
        if loaded:
            # streams of their own: the same part with and without an object differs in nothing else
            kind, placed = self._foreign_object(clean, np.random.default_rng([self.seed, 4, number]))
            _lay(clean, placed)
            truth = self._truth(kind, placed, pose)
        return self._expose(clean, pose, brightness, (float(tilt[0]), float(tilt[1])), rng), truth

    def template(self) -> NDArray[np.uint8]:
        """Picture of a clean part in nominal pose and light, BGR uint8 [H, W, 3]."""
        rng = np.random.default_rng([self.seed, 3])
        margin = self.scene.margin
        nominal = np.array([[1, 0, -margin], [0, 1, -margin]], np.float64)
        return self._expose(self._clean(0.5, np.zeros(256)), nominal, 1.0, (0.0, 0.0), rng)

    def _clean(self, sheen: float, variation: NDArray[np.float64]) -> Picture:
        """The scene with the light and the contacts of this part, without a foreign object."""
        first, second = self.scene.views
        picture = np.asarray(cv2.addWeighted(first, 1 - sheen, second, sheen, 0), np.float32)
        x, y, width, height = cv2.boundingRect(self.scene.face)
        at = slice(y, y + height), slice(x, x + width)
        gains = (1 + 0.05 * np.clip(variation, -2, 2)).astype(np.float32)
        gains[0] = 1
        gain = cv2.GaussianBlur(gains[self.scene.contacts[at]], (0, 0), 0.8)
        picture[at] *= gain[..., None]
        return picture

    def _pose(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Affine matrix [2, 3] from scene to picture."""
        width, height = self.size
        margin = self.scene.margin
        turn, zoom = rng.uniform(-TURN, TURN), 1 + rng.uniform(-SCALE, SCALE)
        centre = (width / 2 + margin, height / 2 + margin)
        pose = np.asarray(cv2.getRotationMatrix2D(centre, turn, zoom), np.float64)
        pose[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * width - margin
        return pose

    def _foreign_object(self, clean: Picture, rng: np.random.Generator) -> tuple[str, _Placed]:
        """An object that lies wholly on the face and can be seen; another is made until both hold."""
        kind = KINDS[int(rng.integers(len(KINDS)))]
        shortest, longest = LENGTHS[kind]
        ys, xs = np.nonzero(self.scene.face)
        for attempt in range(ATTEMPTS):
            # every few failures halve the span above the shortest: what is too large for the face becomes small
            top = shortest + (longest - shortest) * 0.5 ** (attempt // 6)
            length = float(np.exp(rng.uniform(np.log(shortest), np.log(top))))
            patch = make_object(kind, length, LIGHTS[0], rng)
            rows, columns = np.nonzero(patch.alpha > SOLID)
            chosen = int(rng.integers(len(xs)))
            x, y = int(xs[chosen]) - patch.alpha.shape[1] // 2, int(ys[chosen]) - patch.alpha.shape[0] // 2
            if not _inside(self.scene.face, columns + x, rows + y):
                continue
            placed = _Placed(patch, x, y, np.stack([columns + x, rows + y], axis=1).astype(np.float32))
            if _extent(placed.pixels) >= SHORTEST and _visible(clean, placed):
                return kind, placed
        raise CameraError(
            f"no {kind} of at least {shortest:.0f} px that can be seen fits on the face",
            where="simulated camera",
            mend="simulate larger pictures",
        )

    def _truth(self, kind: str, placed: _Placed, pose: NDArray[np.float64]) -> SimulatedTruth:
        moved = np.asarray(placed.pixels @ pose[:, :2].T + pose[:, 2], np.float32)
        low, high = np.floor(moved.min(axis=0)), np.floor(moved.max(axis=0)) + 1
        bbox = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return SimulatedTruth(kind=kind, bbox_px=bbox, length_px=_extent(moved))

    def _expose(
        self,
        scene: Picture,
        pose: NDArray[np.float64],
        brightness: float,
        tilt: tuple[float, float],
        rng: np.random.Generator,
    ) -> NDArray[np.uint8]:
        """What the sensor and the JPEG encoder make of the scene."""
        width, height = self.size
        picture = field(cv2.warpAffine(scene, pose, self.size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
        rows = np.linspace(-tilt[1], tilt[1], height, dtype=np.float32)[:, None]
        columns = np.linspace(-tilt[0], tilt[0], width, dtype=np.float32)[None, :]
        picture *= (self._vignette * (1 + rows + columns) * np.float32(brightness))[..., None]
        top, left = int(rng.integers(61)), int(rng.integers(53))
        noise = self._noise[top : top + height, left : left + width]
        cv2.add(picture, noise, dst=picture)
        _, encoded = cv2.imencode(
            ".jpg", cv2.convertScaleAbs(np.maximum(picture, 0)), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)
        )
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        assert decoded is not None, "an image that OpenCV has just encoded"
        return np.asarray(decoded, np.uint8)


def _vignette(width: int, height: int) -> NDArray[np.float32]:
    """Darker towards the corners, brightest a little above the middle where the ring light is."""
    x = (np.arange(width, dtype=np.float32)[None, :] - width * 0.49) / (width / 2)
    y = (np.arange(height, dtype=np.float32)[:, None] - height * 0.46) / (width / 2)
    return (1.02 - 0.20 * (x * x + y * y) ** 1.2).astype(np.float32)


def _inside(face: NDArray[np.uint8], xs: NDArray[np.int64], ys: NDArray[np.int64]) -> bool:
    height, width = face.shape
    if len(xs) == 0 or xs.min() < 0 or ys.min() < 0 or xs.max() >= width or ys.max() >= height:
        return False
    return bool((face[ys, xs] > 0).all())


def _extent(pixels: NDArray[np.float32]) -> float:
    """Longest side of the smallest rectangle around pixels, in pixels (a single pixel measures 1)."""
    _, sides, _ = cv2.minAreaRect(pixels)
    return float(max(sides)) + 1


def _blend(below: Picture, patch: Patch) -> Picture:
    alpha = patch.alpha[..., None]
    shaded = below * (1 - patch.shadow[..., None] * (1 - alpha))
    return np.asarray(shaded + alpha * (patch.colour - shaded), np.float32)


def _window(placed: _Placed) -> tuple[slice, slice]:
    rows, columns = placed.patch.alpha.shape
    return slice(placed.y, placed.y + rows), slice(placed.x, placed.x + columns)


def _visible(clean: Picture, placed: _Placed) -> bool:
    """Whether a person would see the object: it differs enough from what it covers, in most of its pixels."""
    below = clean[_window(placed)]
    solid = placed.patch.alpha > SOLID
    after = cv2.GaussianBlur(np.clip(_blend(below, placed.patch), 0, 255), (0, 0), 1.0)
    before = cv2.GaussianBlur(np.clip(below, 0, 255), (0, 0), 1.0)
    difference = np.abs(after - before).mean(axis=2)[solid]
    return bool(difference.mean() >= MIN_CONTRAST and (difference >= MIN_CONTRAST / 2).mean() >= MIN_VISIBLE)


def _lay(picture: Picture, placed: _Placed) -> None:
    """Lay the object over the picture, in place."""
    at = _window(placed)
    picture[at] = _blend(picture[at], placed.patch)
