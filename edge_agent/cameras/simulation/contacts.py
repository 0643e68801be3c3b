"""Pins and sockets: painted into the surface one by one, in small windows."""

from __future__ import annotations

import numpy as np

from edge_agent.cameras.simulation.bench import Bench
from edge_agent.cameras.simulation.connectors import Colour
from edge_agent.cameras.simulation.fields import Field, disc, field, smoothstep

GOLD: Colour = (0.20, 0.62, 0.98)
BORE: Colour = (0.012, 0.022, 0.030)
EMBER: Colour = (0.004, 0.125, 0.42)  # gold seen through its own reflections, deep in a socket
RING, HOLE = 0.68, 0.50  # outer and inner radius of a socket
PIN = 0.52  # radius of a pin
PIN_LENGTH = 4.2
LENS_DISTANCE = 190.0  # what stands nearer to the lens is larger: pins lean outward


def paint_contacts(bench: Bench) -> Field:
    """Set all contacts on the face.

    Returns:
        float32 [H, W]: number of the contact (from 1) that each pixel shows, 0 elsewhere.
    """
    numbers = np.zeros(bench.grid.x.shape, np.float32)
    pins = bench.connector.pins
    reach = PIN + PIN_LENGTH * 0.25 if pins else RING + 0.5
    for number, (x, y) in enumerate(bench.connector.contacts, start=1):
        around = bench.window(x, y, reach)
        shown = _pin(around, x, y) if pins else _socket(around, x, y)
        numbers[bench.grid.window(x, y, reach)][shown > 0.5] = number
    return numbers


def _socket(bench: Bench, x: float, y: float) -> Field:
    """A bore with a chamfer in the plastic, a gold sleeve in it, and its dark inside with a gleam at the bottom."""
    surface, grid, face, rng = bench.surface, bench.grid, bench.face, bench.rng
    x, y = x + rng.normal(0, 0.012), y + rng.normal(0, 0.012)
    distance = disc(grid, 0.0, x, y)
    chamfer = grid.coverage(distance - (RING + 0.20))
    surface.height -= chamfer * 0.28 * smoothstep(RING + 0.20, RING, distance)
    middle, half = (RING + HOLE) / 2, (RING - HOLE) / 2
    round_profile = np.sqrt(np.clip(1 - ((distance - middle) / half) ** 2, 0, 1)) * half * 0.9
    sleeve = grid.coverage(distance - RING)
    surface.paint(sleeve, GOLD, height=field(face - 0.10 + round_profile), metal=1.0, rough=rng.uniform(0.22, 0.32))
    hole = grid.coverage(distance - HOLE)
    surface.paint(hole, BORE, height=face - 0.75, metal=0.0, rough=0.9)
    aside = disc(grid, 0.0, x + rng.normal(0, 0.08), y + rng.normal(0.04, 0.08))
    depth = np.exp(-((aside / (HOLE * 0.55)) ** 2)) + 0.28 * smoothstep(HOLE * 0.6, HOLE, distance)
    gleam = rng.choice([0.12, 0.3, 0.6, 1.0], p=[0.3, 0.3, 0.25, 0.15]) * rng.uniform(0.7, 1.2)
    surface.glow += (hole * depth * gleam)[..., None] * np.asarray(EMBER, np.float32)
    return sleeve


def _pin(bench: Bench, x: float, y: float) -> Field:
    """A pin with a round tip; its side shows towards the rim of the picture, as a lens at finite distance sees it."""
    surface, grid, face, rng = bench.surface, bench.grid, bench.face, bench.rng
    bend_x, bend_y = rng.normal(0, 0.025, 2)
    lean = PIN_LENGTH / LENS_DISTANCE
    foot = disc(grid, PIN + 0.30, x, y)
    surface.height -= 0.12 * smoothstep(0.0, -0.15, foot)
    shown = np.zeros(grid.x.shape, np.float32)
    levels = max(2, int(np.hypot(x, y) * lean * grid.scale * 1.5) + 2)
    for level in np.linspace(0, 1, levels):
        tip_x, tip_y = x * (1 + lean * level) + bend_x * level, y * (1 + lean * level) + bend_y * level
        distance = disc(grid, 0.0, tip_x, tip_y)
        body = grid.coverage(distance - PIN)
        dome = np.sqrt(np.clip(1 - (distance / PIN) ** 2, 0, 1)) * PIN
        colour = field(np.asarray(GOLD) * (0.25 + 0.75 * level))
        top = field(face + 0.35 + 0.9 * level + dome * 0.75)
        surface.paint(body, colour, height=top, metal=1.0, rough=0.24)
        shown = field(np.maximum(shown, body))
    return shown
