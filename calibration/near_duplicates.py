"""Which pictures show nothing that the set has not seen already."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.inspection.recipe import Recipe, region_polygon

MARGIN = 16  # pixels around the region
REDUCED = 8  # averages the camera's noise away, and keeps an object of 10 pixels and a shift of half a pixel
SAME = 6  # grey levels that two reduced pictures of the same untouched part differ by at most


def reduced(image: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """The region of a frame BGR uint8 [H, W, 3], where the template has it, grey and reduced: uint8 [h, w]."""
    corners = region_polygon(recipe)
    height, width = image.shape[:2]
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - MARGIN, 0)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + MARGIN, (width, height))
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
    size = max(1, round((x1 - x0) / REDUCED)), max(1, round((y1 - y0) / REDUCED))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


class Seen:
    """Reduced pictures, each recipe for itself."""

    def __init__(self) -> None:
        self._seen: dict[str, list[NDArray[np.uint8]]] = {}

    def add(self, recipe: str, small: NDArray[np.uint8]) -> None:
        """Remember a picture, uint8 [h, w], taken under the recipe of this key."""
        self._seen.setdefault(recipe, []).append(small)

    def knows(self, recipe: str, small: NDArray[np.uint8]) -> bool:
        """Whether one of the remembered is the same but for noise."""
        return any(
            known.shape == small.shape and int(cv2.absdiff(known, small).max()) <= SAME
            for known in self._seen.get(recipe, ())
        )
