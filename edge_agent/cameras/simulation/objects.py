"""Foreign objects: sliver, hair, bead, foil, smear; each modelled in relief and lit like the connector.

One unit of length is one pixel of the picture; an object is modelled at OVERSAMPLING times that resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.cameras.simulation.connectors import Colour
from edge_agent.cameras.simulation.fields import Field, Grid, field, grain, smoothstep
from edge_agent.cameras.simulation.scene import SENSOR_BLUR, develop
from edge_agent.cameras.simulation.shading import Light, Picture, Surface, shade

OVERSAMPLING = 3


@dataclass(frozen=True)
class Patch:
    """An object ready to be laid over a picture.

    Attributes:
        colour: float32 [H, W, 3] B G R display values.
        alpha: float32 [H, W], how much of a pixel the object covers, 0..1.
        shadow: float32 [H, W], how much light it takes from what lies below, 0..1.
    """

    colour: Picture
    alpha: Field
    shadow: Field


@dataclass(frozen=True)
class _Model:
    """What a modeller makes: a painted surface, its coverage, and how far above the face it floats, in pixels."""

    surface: Surface
    cover: Field
    lift: float


# longest extents in pixels that each kind may have
LENGTHS: dict[str, tuple[float, float]] = {
    "sliver": (9, 120),
    "hair": (25, 120),
    "bead": (6, 40),
    "foil": (12, 120),
    "smear": (16, 120),
}
KINDS = tuple(LENGTHS)


def make_object(kind: str, length: float, light: Light, rng: np.random.Generator) -> Patch:
    """Model an object of a kind, about `length` pixels long, turned at random."""
    side = int(np.ceil(length * 1.35)) + 16
    grid = Grid.centred(side * OVERSAMPLING, side * OVERSAMPLING, OVERSAMPLING)
    turn = rng.uniform(0, 2 * np.pi)
    turned = Grid(
        grid.x * np.float32(np.cos(turn)) + grid.y * np.float32(np.sin(turn)),
        grid.y * np.float32(np.cos(turn)) - grid.x * np.float32(np.sin(turn)),
        grid.scale,
    )
    model = _MODELLERS[kind](turned, length, rng)
    colour = develop(shade(model.surface, OVERSAMPLING, [light])[0])
    size = (side, side)
    premultiplied = field(cv2.resize(colour * model.cover[..., None], size, interpolation=cv2.INTER_AREA))
    alpha = _soft(field(cv2.resize(model.cover, size, interpolation=cv2.INTER_AREA)))
    away = 0.8 + 0.55 * model.lift
    x, y = light.direction
    move = np.array([[1, 0, -x * away], [0, 1, -y * away]], np.float32)
    cast = cv2.warpAffine(alpha, move, size, flags=cv2.INTER_LINEAR)
    contact = cv2.GaussianBlur(alpha, (0, 0), 1.2 + 0.35 * model.lift)
    shadow = np.clip(0.34 * cv2.GaussianBlur(cast, (0, 0), 0.8 + 0.3 * model.lift) + 0.30 * contact, 0, 0.6)
    return Patch((_soft(premultiplied) / np.maximum(alpha, 1e-3)[..., None]).astype(np.float32), alpha, shadow)


def _soft(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return field(cv2.GaussianBlur(array, (0, 0), SENSOR_BLUR))


def _sliver(grid: Grid, length: float, rng: np.random.Generator) -> _Model:
    """A curled shaving: a bent strip with a torn end, machining lines along it, a bright and a dark side."""
    half = max(1.3, length * rng.uniform(0.06, 0.19))
    bend = rng.uniform(-0.9, 0.9) / length
    across = grid.y - bend * (grid.x**2 - length**2 / 12)
    torn = grain(rng, grid.x.shape, 2.2 * grid.scale) * min(1.2, 0.25 * half)
    taper = half * (1 - 0.55 * smoothstep(0, length / 2, grid.x) * rng.uniform(0.2, 1.0))
    distance = np.maximum(np.abs(across) - taper - 0.15 * torn, np.abs(grid.x) - length / 2 + 0.02 * length + torn)
    cover = grid.coverage(distance.astype(np.float32))
    u = np.clip(across / np.maximum(taper, 0.5) + rng.uniform(-0.25, 0.25), -1.2, 1.2)
    curl = np.sqrt(np.clip(1.6 - u * u, 0.02, None)) * half * rng.uniform(0.5, 0.9)
    twist = 0.12 * half * np.sin(grid.x / length * rng.uniform(3, 9))
    lines = 0.05 * np.sin(across * 2.6 + 0.6 * torn)
    surface = Surface.flat(grid.x.shape)
    tint = rng.uniform(0.75, 1.0)
    colour: Colour = (0.62 * tint, 0.66 * tint, 0.68 * tint)
    if rng.random() < 0.25:
        colour = (0.22 * tint, 0.42 * tint, 0.62 * tint)  # copper and brass
    height = (curl + twist + lines).astype(np.float32)
    surface.paint(np.ones_like(cover), colour, height=height, metal=1.0, rough=rng.uniform(0.12, 0.3))
    return _Model(surface, cover, lift=min(6.0, half * 0.8))


def _hair(grid: Grid, length: float, rng: np.random.Generator) -> _Model:
    """A thin round thread along a smooth curve."""
    count = 48
    curvature = np.cumsum(rng.normal(0, 0.09, count)) + rng.normal(0, 0.05)
    heading = np.cumsum(curvature - curvature.mean() * rng.uniform(0, 1)) * (2.2 / count) * rng.uniform(2, 9)
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    points -= (points.max(axis=0) + points.min(axis=0)) / 2
    points *= length / max(float(np.ptp(points, axis=0).max()), 1e-6)
    width = rng.uniform(1.9, 3.2)
    side = grid.x.shape[0]
    pixels = np.round((points * OVERSAMPLING + (side - 1) / 2) * 16).astype(np.int32)
    line = np.zeros(grid.x.shape, np.uint8)
    cv2.polylines(line, [pixels], isClosed=False, color=255, thickness=1, lineType=cv2.LINE_8, shift=4)
    away = cv2.distanceTransform(255 - line, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / np.float32(OVERSAMPLING)
    cover = grid.coverage((away - width / 2).astype(np.float32))
    height = np.sqrt(np.clip((width / 2 + 0.3) ** 2 - away**2, 0, None)).astype(np.float32)
    shades: tuple[Colour, ...] = (
        (0.012, 0.014, 0.018),
        (0.02, 0.035, 0.06),
        (0.75, 0.78, 0.80),
        (0.55, 0.20, 0.05),
        (0.06, 0.05, 0.50),
        (0.30, 0.50, 0.62),
    )
    surface = Surface.flat(grid.x.shape)
    colour = shades[int(rng.integers(len(shades)))]
    surface.paint(np.ones_like(cover), colour, height=height, metal=0.0, rough=0.35)
    return _Model(surface, cover, lift=rng.uniform(0.5, 2.5))


def _bead(grid: Grid, length: float, rng: np.random.Generator) -> _Model:
    """A solder ball: nearly round, bright, with a dark rim; at times a glass bead or a black plastic one."""
    radius = length / 2
    squash = rng.uniform(0.86, 1.0)
    away = cv2.magnitude(grid.x, grid.y / np.float32(squash))
    cover = grid.coverage((away - radius).astype(np.float32))
    dimple = 0.012 * radius * grain(rng, grid.x.shape, max(2.0, radius * 0.6) * grid.scale)
    height = (np.sqrt(np.clip((radius * 1.02) ** 2 - away**2, 0, None)) + dimple).astype(np.float32)
    surface = Surface.flat(grid.x.shape)
    if rng.random() < 0.7:
        surface.paint(np.ones_like(cover), (0.70, 0.72, 0.73), height=height, metal=1.0, rough=rng.uniform(0.12, 0.3))
    else:
        plastics: tuple[Colour, ...] = ((0.015, 0.015, 0.016), (0.70, 0.72, 0.72), (0.10, 0.55, 0.10), (0.5, 0.2, 0.04))
        plastic = plastics[int(rng.integers(len(plastics)))]
        surface.paint(np.ones_like(cover), plastic, height=height, metal=0.0, rough=0.15)
    return _Model(surface, cover, lift=min(7.0, radius * 0.55))


def _foil(grid: Grid, length: float, rng: np.random.Generator) -> _Model:
    """A crumpled scrap: a ragged outline, flat facets with creases between them."""
    corners = int(rng.integers(5, 9))
    turns = np.sort(rng.uniform(0, 2 * np.pi, corners))
    flat = rng.uniform(0.45, 0.95)
    radii = rng.uniform(0.62, 1.0, corners)
    outline = np.stack([np.cos(turns) * radii, np.sin(turns) * radii * flat], axis=1)
    outline *= length / float(np.ptp(outline, axis=0).max())
    outline -= (outline.max(axis=0) + outline.min(axis=0)) / 2
    inside = np.zeros(grid.x.shape, np.uint8)
    pixels = np.round(outline * OVERSAMPLING + (grid.x.shape[0] - 1) / 2).astype(np.int32)
    cv2.fillPoly(inside, [pixels], 255)
    soft = cv2.GaussianBlur(field(inside) / 255, (0, 0), min(4.0, 0.05 * length) * OVERSAMPLING)
    ragged = field(soft + 0.06 * grain(rng, grid.x.shape, min(4.0, length / 8) * OVERSAMPLING))
    cover = smoothstep(0.40, 0.56, ragged)
    creases = np.full(grid.x.shape, -np.inf, np.float32)
    for _ in range(int(rng.integers(4, 9))):
        slope_x, slope_y = rng.normal(0, 0.33, 2)
        creases = np.maximum(creases, slope_x * grid.x + slope_y * grid.y + rng.normal(0, length * 0.05))
    crumple = 0.10 * grain(rng, grid.x.shape, max(2.0, length / 9) * OVERSAMPLING) * min(3.0, length / 20)
    shades: tuple[tuple[Colour, float], ...] = (
        ((0.72, 0.74, 0.75), 1.0),
        ((0.55, 0.30, 0.06), 0.35),
        ((0.40, 0.38, 0.10), 0.3),
        ((0.08, 0.07, 0.50), 0.4),
        ((0.16, 0.48, 0.20), 0.3),
        ((0.78, 0.79, 0.78), 0.1),
    )
    colour, metal = shades[int(rng.integers(len(shades)))]
    stain = (np.asarray(colour, np.float32) * (1 + 0.15 * grain(rng, grid.x.shape, length / 3))[..., None]).clip(0.005)
    surface = Surface.flat(grid.x.shape)
    height = (creases + crumple).astype(np.float32)
    surface.paint(np.ones_like(cover), stain.astype(np.float32), height=height, metal=metal, rough=0.32)
    return _Model(surface, cover, lift=rng.uniform(1.0, 3.5))


def _smear(grid: Grid, length: float, rng: np.random.Generator) -> _Model:
    """A wiped drop of grease, paste or paint: half transparent, ragged along the stroke, with a wet gleam."""
    flat = rng.uniform(0.35, 0.8)
    away = cv2.magnitude(grid.x * np.float32(2 / length), grid.y * np.float32(2 / length / flat))
    lumps = grain(rng, grid.x.shape, max(2.5, length / 7) * OVERSAMPLING)
    body = 1.0 - away + 0.16 * lumps
    thick = smoothstep(0.12, 0.45, body.astype(np.float32))
    streaks = 0.5 + 0.5 * np.sin(grid.y * rng.uniform(0.5, 1.1) + lumps)
    alpha = thick * (rng.uniform(0.62, 0.82) + 0.14 * streaks)
    shades: tuple[Colour, ...] = (
        (0.010, 0.012, 0.014),
        (0.62, 0.66, 0.66),
        (0.06, 0.30, 0.42),
        (0.20, 0.45, 0.10),
        (0.50, 0.16, 0.05),
    )
    surface = Surface.flat(grid.x.shape)
    height = (thick * min(3.0, length / 14) + 0.25 * streaks * thick + 0.2 * lumps).astype(np.float32)
    colour = shades[int(rng.integers(len(shades)))]
    surface.paint(np.ones_like(thick), colour, height=height, metal=0.0, rough=0.25)
    return _Model(surface, np.clip(alpha, 0, 0.92).astype(np.float32), lift=0.3)


_MODELLERS: dict[str, Callable[[Grid, float, np.random.Generator], _Model]] = {
    "sliver": _sliver,
    "hair": _hair,
    "bead": _bead,
    "foil": _foil,
    "smear": _smear,
}
