"""Regions from what people give: text or a mask image."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import RecipeError
from edge_agent.inspection.recipe import MAX_CORNERS, Polygon

SIMPLIFY_PX = 1.0  # how far the polygon may stand off the mask's outline


def parse_region(text: str) -> Polygon:
    """The corners in "x,y x,y x,y …"; none in an empty text. Raises RecipeError."""
    corners = []
    for word in text.split():
        numbers = [_number(part) for part in word.split(",")]
        if len(numbers) != 2 or not all(math.isfinite(number) for number in numbers):
            raise RecipeError(
                f'"{word[:40]}" is not a corner', where="region", mend='write "x,y x,y x,y …" in pixels of the template'
            )
        corners.append((numbers[0], numbers[1]))
    if corners and not 3 <= len(corners) <= MAX_CORNERS:
        raise RecipeError(
            f"has {len(corners)} corners", where="region", mend=f"give 3 to {MAX_CORNERS}, or none for the whole image"
        )
    return tuple(corners)


def region_from_mask(mask: NDArray[np.uint8]) -> Polygon:
    """Outline of the largest white area of a mask, uint8 [H, W] or BGR [H, W, 3]. Raises RecipeError if it has none."""
    gray = mask if mask.ndim == 2 else cv2.cvtColor(mask, cv2.COLOR_BGR2GRAY)
    white = (np.asarray(gray) > 127).astype(np.uint8)
    outlines, _ = cv2.findContours(white, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        raise RecipeError("has no white area", where="mask", mend="paint what is to be inspected white, the rest black")
    outline = max(outlines, key=cv2.contourArea)
    stand_off = SIMPLIFY_PX
    polygon = cv2.approxPolyDP(outline, stand_off, closed=True)
    while len(polygon) > MAX_CORNERS:
        stand_off *= 2
        polygon = cv2.approxPolyDP(outline, stand_off, closed=True)
    # the outline runs through the centres of the border pixels
    return tuple((float(x) + 0.5, float(y) + 0.5) for x, y in np.asarray(polygon).reshape(-1, 2))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
