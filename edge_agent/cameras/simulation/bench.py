"""The surface under work, and what everyone who paints on it needs to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_agent.cameras.simulation.connectors import Connector
from edge_agent.cameras.simulation.fields import Field, Grid, grain
from edge_agent.cameras.simulation.shading import Surface

RIM, FLANGE = 0.0, -0.9  # heights of the shell's rim and of the flange in mm, foreshortened


@dataclass(frozen=True)
class Bench:
    """A surface with its grid.

    Attributes:
        surface, grid: of the same shape.
        connector: what is made.
        face: height of the insert's face, mm.
        rng: of everything irregular; fixed for a connector, so that it always comes out the same.
    """

    surface: Surface
    grid: Grid
    connector: Connector
    face: float
    rng: np.random.Generator

    def window(self, x: float, y: float, radius: float) -> Bench:
        """The square of half side `radius` mm around (x, y); painting there paints here."""
        at = self.grid.window(x, y, radius)
        return Bench(self.surface.window(at), self.grid.cut(at), self.connector, self.face, self.rng)

    def grain(self, size: float) -> Field:
        """Noise over the surface whose spots are about `size` mm wide, mean 0 and deviation 1."""
        return grain(self.rng, self.grid.x.shape, size * self.grid.scale)
