"""Everything of a simulated connector that is the same on every part: rendered once, at start."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.cameras.simulation.connectors import Connector
from edge_agent.cameras.simulation.fields import Field, Grid, field
from edge_agent.cameras.simulation.layout import lay_out
from edge_agent.cameras.simulation.panel import lay_out_panel
from edge_agent.cameras.simulation.shading import Light, Picture, shade

OVERSAMPLING = 2
MARGIN = 0.04  # share of the width that the scene is larger on each side, so that a turned part fills the picture
FILL = 0.93, 0.93  # share of the picture's width and height that the flange takes at most
EXPOSURE = 1.3
CONTRAST = 0.45
PANEL_BLUR = 0.055  # mm; the panel lies behind the plane in focus
SENSOR_BLUR = 0.55  # pixels
# Parts lie a little differently under the same lamps: highlights change, shadows hardly move.
LIGHTS = (Light(), Light(azimuth=-2.02, key=0.66, ring=1.68, ambient=0.58))


@dataclass(frozen=True)
class Scene:
    """Static layers of one connector, larger than the picture by `margin` pixels on each side.

    Attributes:
        views: the clean part under each of two lightings, float32 [H, W, 3] B G R, display values 0..255 with
            highlights above 255.
        contacts: uint8 [H, W], number of the contact that a pixel shows, from 1; 0 elsewhere.
        face: uint8 [H, W], 255 on the face inside the shell, where objects may lie.
        polygon: outline of that face in the picture (margin taken off), float32 [N, 2] x, y.
        mm_per_px: scale of the picture at the face.
        margin: pixels on each side.
    """

    views: tuple[Picture, Picture]
    contacts: NDArray[np.uint8]
    face: NDArray[np.uint8]
    polygon: NDArray[np.float32]
    mm_per_px: float
    margin: int


def build_scene(connector: Connector, width: int, height: int) -> Scene:
    """Render a connector for pictures of width × height pixels."""
    rng = np.random.default_rng(zlib.crc32(connector.name.encode()))
    scale = min(FILL[0] * width / connector.flange[0], FILL[1] * height / connector.flange[1])
    margin = int(np.ceil(MARGIN * max(width, height)))
    size = (width + 2 * margin, height + 2 * margin)
    panel_grid = Grid.centred(*size, scale)
    panel = lay_out_panel(panel_grid, connector, rng)
    # only the connector is in focus and worth the finer grid
    frame = _frame_of(connector, panel_grid)
    rows, columns = frame[0].stop - frame[0].start, frame[1].stop - frame[1].start
    grid = Grid.centred(columns * OVERSAMPLING, rows * OVERSAMPLING, scale * OVERSAMPLING)
    layout = lay_out(grid, connector, rng)
    small = (columns, rows)
    alpha = np.zeros((size[1], size[0]), np.float32)
    alpha[frame] = cv2.resize(cv2.GaussianBlur(layout.cover, (0, 0), 1.0), small, interpolation=cv2.INTER_AREA)
    views = []
    far_and_near = zip(LIGHTS, shade(panel, scale, LIGHTS), shade(layout.surface, grid.scale, LIGHTS), strict=True)
    for light, far, near in far_and_near:
        linear = field(cv2.GaussianBlur(far, (0, 0), PANEL_BLUR * scale))
        linear *= (1 - 0.75 * _drop_shadow(alpha, scale, light))[..., None]
        sharp = cv2.resize(near, small, interpolation=cv2.INTER_AREA)
        linear[frame] += alpha[frame][..., None] * (sharp - linear[frame])
        views.append(develop(field(cv2.GaussianBlur(linear, (0, 0), SENSOR_BLUR))))
    face = np.zeros((size[1], size[0]), np.uint8)
    face[frame][cv2.resize(layout.inside, small, interpolation=cv2.INTER_AREA) > 0.5] = 255
    contacts = np.zeros_like(face)
    contacts[frame] = cv2.resize(layout.contacts, small, interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    return Scene((views[0], views[1]), contacts, face, _outline(face, margin), 1 / scale, margin)


def _frame_of(connector: Connector, grid: Grid) -> tuple[slice, slice]:
    """Rows and columns that hold the flange; an odd rest is left equally on both sides, so that its centre stays."""
    height, width = grid.x.shape
    across, down = (int((side / 2 + 0.3) * grid.scale) + 1 for side in connector.flange)
    top, left = max(0, height // 2 - down), max(0, width // 2 - across)
    return slice(top, height - top), slice(left, width - left)


def develop(linear: Picture) -> Picture:
    """From linear light to display values: gamma 2.2, then deeper shadows as a camera's curve has them.

    Returns:
        float32 [H, W, 3], 0..255, unclipped above.
    """
    display = np.power(np.maximum(linear * np.float32(EXPOSURE), 0), np.float32(1 / 2.2))
    toe = np.minimum(display, 1)
    return field(255 * (display - np.float32(CONTRAST) * toe * (1 - toe) * (1 - toe)))


def _drop_shadow(cover: Field, scale: float, light: Light) -> Field:
    """Shadow of the flange on the panel."""
    away = 0.55 * scale
    x, y = light.direction
    shift = np.array([[1, 0, -x * away], [0, 1, -y * away]], np.float32)
    moved = cv2.warpAffine(cover, shift, (cover.shape[1], cover.shape[0]), flags=cv2.INTER_LINEAR)
    return field(cv2.GaussianBlur(moved, (0, 0), 0.4 * scale))


def _outline(face: NDArray[np.uint8], margin: int) -> NDArray[np.float32]:
    """The face's outline as a polygon of some dozen corners, in picture coordinates."""
    contours, _ = cv2.findContours(face, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea)
    return field(cv2.approxPolyDP(largest, 1.0, closed=True).reshape(-1, 2) - margin)
