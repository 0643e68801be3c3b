"""The panel that the connector sits in, out of focus: brushed metal, a cut-out, a printed designation."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.cameras.simulation.bench import FLANGE
from edge_agent.cameras.simulation.connectors import LACQUER, Connector
from edge_agent.cameras.simulation.fields import Grid, box, brushed, field, grain, smoothstep
from edge_agent.cameras.simulation.shading import Surface

PANEL = FLANGE - 0.55


def lay_out_panel(grid: Grid, connector: Connector, rng: np.random.Generator) -> Surface:
    """The panel without the connector."""
    shape = grid.x.shape
    surface = Surface.flat(shape)
    lacquered = connector.panel == LACQUER
    streaks = brushed(rng, shape, 1.6 * grid.scale, 1) + 0.8 * brushed(rng, shape, 5 * grid.scale, 1.5)
    if lacquered:
        streaks = 1.2 * grain(rng, shape, 0.25 * grid.scale)
    cloud = grain(rng, shape, 5 * grid.scale)
    tint = 1 + (0.04 if lacquered else 0.13) * streaks + 0.05 * cloud
    surface.albedo[:] = np.asarray(connector.panel, np.float32) * np.clip(tint, 0.2, 2)[..., None]
    surface.height[:] = PANEL + 0.010 * streaks
    surface.metal[:] = 0.15 if lacquered else 0.8
    surface.rough[:] = 0.7
    width, height = connector.flange
    recess = box(grid, width + 3.4, height + 3.4, radius=2.2)
    shade = np.asarray(LACQUER, np.float32) * (0.42 + 0.05 * grain(rng, shape, 0.3 * grid.scale))[..., None]
    depth = field(PANEL - 0.5 * smoothstep(0.15, -0.25, recess))
    surface.paint(grid.coverage(recess), field(np.maximum(shade, 0.01)), height=depth, metal=0.2, rough=0.8)
    _print_designation(surface, grid, connector)
    return surface


def _print_designation(surface: Surface, grid: Grid, connector: Connector) -> None:
    """Black print above the cut-out, as on any rack."""
    mask = np.zeros(grid.x.shape, np.uint8)
    width, height = connector.flange
    rows, columns = grid.x.shape
    above = -(height / 2 + 1.7 + 1.2)
    origin = (int(-width * 0.06 * grid.scale + columns / 2), int(above * grid.scale + rows / 2))
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(mask, "J12", origin, font, 0.14 * grid.scale, 255, max(1, int(0.35 * grid.scale)), cv2.LINE_AA)
    dark = field(surface.albedo * 0.08)
    surface.paint(field(mask / 255), dark, height=surface.height.copy(), metal=0.1, rough=0.6)
