"""Light on a surface: a ring light around the lens, a key light from one side, shadows and occlusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.cameras.simulation.connectors import Colour
from edge_agent.cameras.simulation.fields import Field, field

Picture = NDArray[np.float32]


@dataclass
class Surface:
    """What the light falls on. All arrays float32; windows share memory with the whole.

    Attributes:
        height: [H, W], mm towards the camera.
        albedo: [H, W, 3], B G R reflectance, linear light.
        metal: [H, W], 0 plastic … 1 metal.
        rough: [H, W], 0 mirror … 1 matt.
        glow: [H, W, 3], light that leaves the surface by itself: the bottoms of deep bores.
    """

    height: Field
    albedo: Picture
    metal: Field
    rough: Field
    glow: Picture

    @classmethod
    def flat(cls, shape: tuple[int, int]) -> Surface:
        """A black matt plane at height 0."""
        return cls(
            height=np.zeros(shape, np.float32),
            albedo=np.zeros((*shape, 3), np.float32),
            metal=np.zeros(shape, np.float32),
            rough=np.ones(shape, np.float32),
            glow=np.zeros((*shape, 3), np.float32),
        )

    def window(self, at: tuple[slice, slice]) -> Surface:
        """The part of the surface in a window; painting there paints here."""
        return Surface(self.height[at], self.albedo[at], self.metal[at], self.rough[at], self.glow[at])

    def paint(
        self, mask: Field, colour: Colour | Picture, *, height: float | Field, metal: float, rough: float
    ) -> None:
        """Lay a material over the surface where mask is 1, mixed at its rim."""
        wide = mask[..., None]
        self.albedo += wide * (np.asarray(colour, np.float32) - self.albedo)
        self.height += mask * (height - self.height)
        self.metal += mask * (metal - self.metal)
        self.rough += mask * (rough - self.rough)
        self.glow *= 1 - wide


@dataclass(frozen=True)
class Light:
    """One lighting: where the key light stands and how strong each light is.

    Attributes:
        azimuth: direction that the key light comes from, radians, 0 = right, clockwise on the screen.
        key, ring, ambient: strengths.
        ring_angle: angle between the optical axis and the ring light seen from the part, radians.
    """

    azimuth: float = -2.1
    key: float = 0.75
    ring: float = 1.5
    ambient: float = 0.55
    ring_angle: float = 0.62

    @property
    def direction(self) -> tuple[float, float]:
        """Unit vector in the picture towards the key light."""
        return math.cos(self.azimuth), math.sin(self.azimuth)


def shade(surface: Surface, scale: float, lights: Sequence[Light]) -> list[Picture]:
    """The surface as the lens sees it, once under each lighting.

    Args:
        surface: what is lit.
        scale: pixels per mm.
        lights: the lightings; all share the work on the relief.

    Returns:
        float32 [H, W, 3] B G R each, linear light, about 0..1, highlights above.
    """
    slope_x = cv2.Sobel(surface.height, cv2.CV_32F, 1, 0, ksize=3, scale=scale / 8)
    slope_y = cv2.Sobel(surface.height, cv2.CV_32F, 0, 1, ksize=3, scale=scale / 8)
    nz = field(1 / np.sqrt(1 + slope_x**2 + slope_y**2))
    nx, ny = field(-slope_x * nz), field(-slope_y * nz)
    open_sky = occlusion(surface.height, scale)
    metal = surface.metal[..., None]
    tint = 0.045 + metal * (surface.albedo - 0.045)
    body = surface.albedo * (1 - 0.72 * metal)
    pictures = []
    for light in lights:
        x, y = light.direction
        lambert = np.clip(nx * (0.64 * x) + ny * (0.64 * y) + nz * 0.77, 0, 1)
        lit = 1 - cast_shadow(surface.height, scale, light, steepness=1.3)
        diffuse = light.ambient * open_sky + light.key * lambert * lit
        specular = _reflection(nx, ny, nz, surface.rough, light) * (0.25 + 0.75 * open_sky)
        pictures.append(field(body * diffuse[..., None] + tint * specular[..., None] + surface.glow))
    return pictures


def _reflection(nx: Field, ny: Field, nz: Field, rough: Field, light: Light) -> Field:
    """What a mirror of the given roughness shows at each pixel: the ring light, a soft box, a dim room."""
    angle = 2 * np.arccos(np.clip(nz, 0, 1))
    spread = 0.16 + rough * 0.55
    ring = np.exp(-(((angle - light.ring_angle) / spread) ** 2)) * (0.28 / spread)
    rx, ry = 2 * nz * nx, 2 * nz * ny
    x, y = light.direction
    off = (rx - 0.75 * x) ** 2 + (ry - 0.75 * y) ** 2
    box = np.exp(-off / spread**2 / 1.4) * (0.4 / spread)
    room = 0.16 + 0.10 * np.clip(-ry, -1, 1) + 0.05 * np.clip(rx, -1, 1)
    return field(light.ring * ring + 1.4 * light.key * box + room * light.ambient)


def occlusion(height: Field, scale: float) -> Field:
    """How much of the sky each pixel sees, 0..1: what lies lower than its surroundings is darker."""
    hidden = np.zeros_like(height)
    for reach, weight in ((0.12, 0.5), (0.35, 0.9), (1.0, 1.3)):
        hidden += weight * np.maximum(_blur(height, reach * scale) - height, 0) / reach
    return field(1 / (1 + hidden))


def cast_shadow(height: Field, scale: float, light: Light, steepness: float) -> Field:
    """Soft shadow under the key light, 0 lit … 1 dark. `steepness` is the tangent of the light's elevation."""
    small = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    reach = min(float(small.max() - small.min()) / steepness, 2.5)
    steps = max(1, min(24, int(reach * scale * 0.5)))
    excess = np.zeros_like(small)
    for step in range(1, steps + 1):
        away = reach * step / steps
        shift_x, shift_y = (axis * away * scale / 2 for axis in light.direction)
        move = np.array([[1, 0, -shift_x], [0, 1, -shift_y]], np.float32)
        size = (small.shape[1], small.shape[0])
        moved = cv2.warpAffine(small, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        np.maximum(excess, moved - small - away * steepness, out=excess)
    shadow = cv2.GaussianBlur(np.clip(excess / 0.12, 0, 1), (0, 0), max(0.5, 0.05 * scale))
    return field(cv2.resize(shadow, (height.shape[1], height.shape[0]), interpolation=cv2.INTER_LINEAR))


def _blur(height: Field, sigma: float) -> Field:
    """Gaussian blur; a wide one is done at a quarter of the resolution."""
    if sigma < 8:
        return field(cv2.GaussianBlur(height, (0, 0), max(0.5, sigma)))
    small = cv2.resize(height, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return field(cv2.resize(small, (height.shape[1], height.shape[0]), interpolation=cv2.INTER_LINEAR))
