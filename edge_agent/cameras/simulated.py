"""A camera that needs no hardware: it draws parts, some of them with a foreign object on the connector's face."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from edge_agent.cameras.camera import Camera, Frame, SimulatedTruth
from edge_agent.cameras.simulation.connectors import connector as connector_named
from edge_agent.cameras.simulation.part import PartMaker
from edge_agent.cameras.simulation.scene import Scene, build_scene
from edge_agent.errors import CameraError

DEFAULT_SIZE = 1200, 800
SMALLEST = 320  # pixels; below, contacts are blobs and no object fits between them


class SimulatedCamera(Camera):
    """Takes pictures of simulated parts, each a little different in pose, light and contacts.

    Frame n shows part n. The same connector, size, seed and share give the same parts, also after reopening or in
    another process, and whatever was read before.

    Args:
        connector: a name of `edge_agent.cameras.simulation.connectors.CONNECTORS`.
        size: width × height of the pictures in pixels, at least 320 each.
        seed: of all that differs from part to part.
        share: share of the parts with a foreign object, 0..1.
        parts: ends after so many parts; None never ends.
    """

    def __init__(
        self,
        connector: str = "dsub25",
        size: tuple[int, int] = DEFAULT_SIZE,
        seed: int = 0,
        share: float = 0.4,
        parts: int | None = None,
    ) -> None:
        if min(size) < SMALLEST:
            raise CameraError(
                f"size must be at least {SMALLEST} × {SMALLEST} pixels, but got {size[0]} × {size[1]}",
                where="simulated camera",
                mend="simulate larger pictures",
            )
        self.name = f"simulated {connector}"
        self._connector = connector_named(connector)
        self._size, self._seed, self._share, self._parts = size, seed, share, parts
        self._maker: PartMaker | None = None
        self._scene: Scene | None = None
        self._number = 0

    def open(self) -> None:
        """Render what all parts share; takes some seconds the first time."""
        self._made()

    def read(self) -> Frame | None:
        """The next part."""
        if self._parts is not None and self._number >= self._parts:
            return None
        number = self._number
        image, truth = self._made().part(number)
        self._number += 1
        return Frame(
            image=image,
            captured_at=datetime.now(timezone.utc),
            monotonic_ns=time.monotonic_ns(),
            number=number,
            source=f"{self.name} part {number}",
            truth=truth,
        )

    def close(self) -> None:
        """Nothing to release; the parts go on where they stopped."""

    def part(self, number: int) -> tuple[NDArray[np.uint8], SimulatedTruth]:
        """Picture (BGR uint8 [H, W, 3]) and truth of any part, without taking a turn."""
        return self._made().part(number)

    def template(self) -> NDArray[np.uint8]:
        """Picture of a clean part in nominal pose and light, BGR uint8 [H, W, 3]."""
        return self._made().template()

    def region(self) -> list[tuple[float, float]]:
        """Outline of the connector's face inside its shell, polygon of (x, y) pixels in the template."""
        return [(float(x), float(y)) for x, y in self._static().polygon]

    @property
    def mm_per_px(self) -> float:
        """Scale of the template at the face."""
        return self._static().mm_per_px

    def _static(self) -> Scene:
        if self._scene is None:
            self._scene = build_scene(self._connector, *self._size)
        return self._scene

    def _made(self) -> PartMaker:
        if self._maker is None:
            self._maker = PartMaker(self._static(), *self._size, seed=self._seed, share=self._share)
        return self._maker
