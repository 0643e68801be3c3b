"""What holds the connector: jack screws on a D-sub, pan heads on a circular flange."""

from __future__ import annotations

import math

import numpy as np

from edge_agent.cameras.simulation.bench import FLANGE, Bench
from edge_agent.cameras.simulation.connectors import Colour
from edge_agent.cameras.simulation.fields import convex, disc, field, smoothstep

STEEL: Colour = (0.50, 0.52, 0.54)
SHADED: Colour = (0.13, 0.14, 0.14)


def paint_screws(bench: Bench) -> None:
    """A screw in each hole of the flange, each turned as it came to rest."""
    across, down = bench.connector.holes
    for x in (-across, across):
        for y in sorted({-down, down}):
            turn = bench.rng.uniform(0, np.pi / 2)
            paint = _paint_jack_screw if bench.connector.family == "dsub" else _paint_pan_head
            paint(bench.window(x, y, 3.0), x, y, turn)


def _paint_jack_screw(bench: Bench, x: float, y: float, turn: float) -> None:
    """A hexagon with a round collar and a threaded bore."""
    surface, grid = bench.surface, bench.grid
    marks = 0.004 * bench.grain(0.09)
    turns = [turn + k * math.pi / 3 for k in range(6)]
    corners = [(x + 2.35 * math.cos(each), y + 2.35 * math.sin(each)) for each in turns]
    hexagon = convex(grid, corners, 0.1)
    bevel = field(FLANGE + 0.5 + 0.25 * smoothstep(0.0, -0.3, hexagon) + marks)
    surface.paint(grid.coverage(hexagon), STEEL, height=bevel, metal=1.0, rough=0.4)
    away = disc(grid, 0.0, x, y)
    collar = np.sqrt(np.clip(1 - ((away - 1.65) / 0.3) ** 2, 0, 1)) * 0.3
    surface.paint(grid.coverage(away - 1.95), STEEL, height=field(FLANGE + 0.8 + collar + marks), metal=1.0, rough=0.3)
    thread = 0.05 * np.sin(away * 2 * np.pi / 0.32)
    bore = field(FLANGE + 0.6 - 1.0 * smoothstep(1.4, 0.3, away) + thread)
    surface.paint(grid.coverage(away - 1.38), SHADED, height=bore, metal=0.9, rough=0.4)


def _paint_pan_head(bench: Bench, x: float, y: float, turn: float) -> None:
    """A flat head with a rounded edge and a cross recess."""
    surface, grid = bench.surface, bench.grid
    away = disc(grid, 0.0, x, y)
    head = field(FLANGE + 0.35 * smoothstep(1.85, 1.30, away) + 0.0025 * bench.grain(0.09))
    surface.paint(grid.coverage(away - 1.8), STEEL, height=head, metal=1.0, rough=0.35)
    cosine, sine = math.cos(turn), math.sin(turn)
    u = np.abs((grid.x - x) * cosine + (grid.y - y) * sine)
    v = np.abs((grid.y - y) * cosine - (grid.x - x) * sine)
    cross = field(np.minimum(np.maximum(u - 0.95, v - 0.22), np.maximum(v - 0.95, u - 0.22)))
    depth = field(FLANGE - 0.1 - 0.35 * smoothstep(0.0, -0.15, cross))
    surface.paint(grid.coverage(cross), SHADED, height=depth, metal=0.9, rough=0.5)
