"""Which connectors can be simulated: their dimensions, contact positions and colours. All lengths in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_agent.errors import CameraError

Colour = tuple[float, float, float]
"""B G R reflectance in linear light, 0..1."""


@dataclass(frozen=True)
class Connector:
    """One connector type.

    Attributes:
        name: what the settings call it.
        family: "dsub" or "circular".
        contacts: x, y of each contact on the face.
        pins: pins stand on the face, else sockets are sunk in it.
        opening: width and height (the diameter twice) of the shell's opening at its rim.
        flange: width and height of the flange.
        holes: half the distance of the flange's holes in x and y.
        insert, shell, panel: colours.
    """

    name: str
    family: str
    contacts: tuple[tuple[float, float], ...]
    pins: bool
    opening: tuple[float, float]
    flange: tuple[float, float]
    holes: tuple[float, float]
    insert: Colour
    shell: Colour
    panel: Colour


BROWN: Colour = (0.028, 0.030, 0.088)
BLUE: Colour = (0.200, 0.075, 0.018)
BLACK: Colour = (0.020, 0.019, 0.018)
GREEN: Colour = (0.050, 0.085, 0.022)
RUBBER: Colour = (0.050, 0.062, 0.070)
TIN: Colour = (0.54, 0.56, 0.57)
OLIVE: Colour = (0.16, 0.27, 0.29)
NICKEL: Colour = (0.36, 0.40, 0.43)
CHROMATE: Colour = (0.055, 0.22, 0.36)
ALUMINIUM: Colour = (0.25, 0.26, 0.26)
LACQUER: Colour = (0.17, 0.16, 0.14)


def _dsub(name: str, count: int, *, sizes: tuple[float, float, float], insert: Colour, panel: Colour) -> Connector:
    """`sizes`: width of the opening, distance of the holes, width of the flange."""
    opening, holes, flange = sizes
    top = (count + 1) // 2
    pitch, rows = 2.77, 2.84
    contacts = [((i - (top - 1) / 2) * pitch, -rows / 2) for i in range(top)]
    contacts += [((i - (top - 2) / 2) * pitch, rows / 2) for i in range(count - top)]
    return Connector(  # nosec B604 # the shell of a connector
        name=name,
        family="dsub",
        contacts=tuple(contacts),
        pins=name.endswith("-pins"),
        opening=(opening, 8.6),
        flange=(flange, 12.6),
        holes=(holes / 2, 0.0),
        insert=insert,
        shell=TIN,
        panel=panel,
    )


def _circular(name: str, rings: tuple[int, ...], radius: float, insert: Colour, shell: Colour) -> Connector:
    contacts = [(0.0, 0.0)]
    for ring, count in enumerate(rings, start=1):
        away = radius * 0.8 * ring / len(rings)
        turns = [2 * math.pi * i / count - math.pi / 2 for i in range(count)]
        contacts += [(away * math.cos(turn), away * math.sin(turn)) for turn in turns]
    side = 2 * radius + 7.5
    return Connector(  # nosec B604 # the shell of a connector
        name=name,
        family="circular",
        contacts=tuple(contacts),
        pins=name.endswith("-pins"),
        opening=(2 * radius, 2 * radius),
        flange=(side, side),
        holes=(side / 2 - 2.3, side / 2 - 2.3),
        insert=insert,
        shell=shell,
        panel=ALUMINIUM,
    )


_ALL = (
    _dsub("dsub9", 9, sizes=(16.7, 24.99, 30.81), insert=BLUE, panel=ALUMINIUM),
    _dsub("dsub9-pins", 9, sizes=(16.9, 24.99, 30.81), insert=BLACK, panel=LACQUER),
    _dsub("dsub15", 15, sizes=(25.0, 33.32, 39.14), insert=GREEN, panel=ALUMINIUM),
    _dsub("dsub15-pins", 15, sizes=(25.2, 33.32, 39.14), insert=BLUE, panel=CHROMATE),
    _dsub("dsub25", 25, sizes=(38.8, 47.04, 53.04), insert=BROWN, panel=CHROMATE),
    _dsub("dsub25-pins", 25, sizes=(39.0, 47.04, 53.04), insert=BLACK, panel=ALUMINIUM),
    _circular("circular19", (6, 12), 8.6, RUBBER, OLIVE),
    _circular("circular19-pins", (6, 12), 8.6, BLACK, NICKEL),
    _circular("circular37", (6, 12, 18), 11.2, RUBBER, NICKEL),
    _circular("circular37-pins", (6, 12, 18), 11.2, BROWN, OLIVE),
)
CONNECTORS: dict[str, Connector] = {connector.name: connector for connector in _ALL}


def connector(name: str) -> Connector:
    """The connector of that name. Raises CameraError that lists the names there are."""
    if name not in CONNECTORS:
        known = ", ".join(CONNECTORS)
        raise CameraError(f"there is no simulated connector {name!r}", where="camera", mend=f"take one of: {known}")
    return CONNECTORS[name]
