"""Lays a connector's flange, shell and insert out as a surface."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.cameras.simulation.bench import FLANGE, RIM, Bench
from edge_agent.cameras.simulation.connectors import Connector
from edge_agent.cameras.simulation.contacts import paint_contacts
from edge_agent.cameras.simulation.fields import Field, Grid, box, convex, disc, field, smoothstep
from edge_agent.cameras.simulation.screws import paint_screws
from edge_agent.cameras.simulation.shading import Surface

RIM_WIDTH = {"dsub": 0.42, "circular": 0.75}
WALL_WIDTH = {"dsub": 0.62, "circular": 0.95}  # inner wall as the lens sees it


@dataclass(frozen=True)
class Layout:
    """A connector without the panel it sits in.

    Attributes:
        surface: what to light.
        cover: coverage of the connector; 0 where the panel shows.
        inside: coverage of the face inside the shell.
        contacts: number of the contact that each pixel shows, 0 elsewhere.
    """

    surface: Surface
    cover: Field
    inside: Field
    contacts: Field


def lay_out(grid: Grid, connector: Connector, rng: np.random.Generator) -> Layout:
    """Build a connector up from its flange to its contacts."""
    face = -1.15 if connector.pins else -0.75
    bench = Bench(Surface.flat(grid.x.shape), grid, connector, face, rng)
    opening = _opening(grid, connector)
    flange = box(grid, *connector.flange, radius=1.3)
    _paint_flange(bench, flange)
    paint_screws(bench)
    _paint_shell(bench, opening)
    inside = grid.coverage(opening + WALL_WIDTH[connector.family])
    _paint_insert(bench, opening, inside)
    contacts = paint_contacts(bench)
    return Layout(bench.surface, grid.coverage(flange), inside, contacts)


def _opening(grid: Grid, connector: Connector) -> Field:
    """Signed distance to the shell's opening at its rim, in mm."""
    width, height = connector.opening
    if connector.family == "circular":
        return disc(grid, width / 2)
    radius = 1.9
    top, half = width / 2 - radius, height / 2 - radius
    bottom = top - 2 * half * math.tan(math.radians(10))
    return convex(grid, [(-top, -half), (top, -half), (bottom, half), (-bottom, half)], radius)


def _paint_flange(bench: Bench, flange: Field) -> None:
    """Plated sheet: fine sandy grain, blotches, some specks of dirt, a rounded edge."""
    blotches = 1 + 0.035 * bench.grain(2.2) + 0.03 * bench.grain(0.1) + 0.02 * bench.grain(7)
    specks = np.clip(bench.grain(0.22) - 3.2, 0, 1) * 0.6
    colour = field(field(bench.connector.shell) * (blotches - specks)[..., None])
    edge = smoothstep(0.0, -0.35, flange)
    sand = 0.0035 * bench.grain(0.05) + 0.002 * bench.grain(0.16)
    bench.surface.height[:] = FLANGE - 1.2
    height = field(FLANGE - 0.35 * (1 - edge) + sand)
    bench.surface.paint(bench.grid.coverage(flange), colour, height=height, metal=0.75, rough=0.75)


def _paint_shell(bench: Bench, opening: Field) -> None:
    """The drawn rim, polished by use, and the wall that goes down to the insert."""
    surface, grid = bench.surface, bench.grid
    rim, wall_width = RIM_WIDTH[bench.connector.family], WALL_WIDTH[bench.connector.family]
    fillet = smoothstep(rim + 0.5, rim, opening) * grid.coverage(rim - opening)
    surface.height += 0.12 * fillet
    profile = np.sqrt(np.clip(1 - ((opening - rim / 2) / (rim / 2)) ** 2, 0, 1))
    worn = 0.0022 * bench.grain(0.09) + 0.004 * bench.grain(1.2)
    shell = field(field(bench.connector.shell) * (0.95 + 0.04 * bench.grain(0.5))[..., None])
    height = field(RIM - 0.5 * rim * (1 - profile) + worn)
    surface.paint(grid.coverage(opening - rim), shell, height=height, metal=1.0, rough=0.30)
    depth = smoothstep(0.0, -wall_width, opening)
    wall = field(RIM - 0.25 + (bench.face - 0.1 - RIM + 0.25) * depth + 0.03 * worn)
    dark = field(bench.connector.shell) * ((0.42 - 0.29 * depth) * (1 + 0.12 * bench.grain(0.08)))[..., None]
    surface.paint(grid.coverage(opening), field(np.maximum(dark, 0.002)), height=wall, metal=0.7, rough=0.7)
    if bench.connector.family == "circular":
        _paint_keyways(bench)


def _paint_keyways(bench: Bench) -> None:
    """A wide master keyway at the top and four narrow ones, cut into the inner wall."""
    radius = bench.connector.opening[0] / 2 - 0.15
    for turn, width in ((-90, 1.7), (-5, 0.9), (52, 0.9), (128, 0.9), (193, 0.9)):
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        near = bench.window(radius * cosine, radius * sine, 1.5)
        along = near.grid.x * cosine + near.grid.y * sine
        across = near.grid.y * cosine - near.grid.x * sine
        slot = near.grid.coverage(field(np.maximum(np.abs(across) - width / 2, np.abs(along - radius) - 0.5)))
        near.surface.paint(slot, (0.03, 0.035, 0.035), height=RIM - 0.9, metal=0.5, rough=0.6)


def _paint_insert(bench: Bench, opening: Field, inside: Field) -> None:
    """Moulded plastic: fine grain, mottled, a step along its border, contact numbers in relief."""
    wall = WALL_WIDTH[bench.connector.family]
    numbers = _numbers(bench)
    mottle = 1 + 0.07 * bench.grain(0.9) + 0.10 * bench.grain(0.08)
    fibres = np.clip(bench.grain(0.11) - 2.3, 0, 1.5) * 0.018
    colour = field(bench.connector.insert) * (mottle + 0.9 * numbers)[..., None] + fibres[..., None]
    step = 0.07 * smoothstep(-wall - 0.75, -wall - 0.85, opening) - 0.16 * smoothstep(-wall - 0.2, -wall, opening)
    relief = 0.0035 * bench.grain(0.06) + 0.002 * bench.grain(0.12) + 0.06 * numbers
    height = field(bench.face - 0.07 + step + relief)
    bench.surface.paint(inside, field(np.maximum(colour, 0.002)), height=height, metal=0.0, rough=0.55)


def _numbers(bench: Bench) -> Field:
    """The moulded numbers beside the outermost contacts of each row (D-sub) or the first of the inner rings, 0..1."""
    scale = bench.grid.scale
    canvas = np.zeros(bench.grid.x.shape, np.uint8)
    rows, columns = bench.grid.x.shape
    count = len(bench.connector.contacts)
    dsub = bench.connector.family == "dsub"
    chosen = {1, (count + 1) // 2, (count + 1) // 2 + 1, count} if dsub else {1, 2, 8}
    for number, (x, y) in enumerate(bench.connector.contacts, start=1):
        if number in chosen:
            below = y + (1.85 if dsub and y > 0 else -1.0)
            origin = (int((x - 0.4) * scale + columns / 2), int(below * scale + rows / 2))
            stroke = max(1, int(0.09 * scale))
            cv2.putText(canvas, str(number), origin, cv2.FONT_HERSHEY_SIMPLEX, 0.034 * scale, 255, stroke, cv2.LINE_AA)
    return field(cv2.GaussianBlur(field(canvas) / 255, (0, 0), max(0.5, 0.025 * scale)))
