"""Score map -> connected components -> smallest rotated boxes and lengths."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.inspection.inspection import Component

MIN_AREA_PX = 8  # smaller specks are mostly noise of the network (benchmarks.specks)
MAX_COMPONENTS = 100


def find_components(
    score_map: NDArray[np.float32],
    threshold: float,
    mm_per_px: float | None = None,
    origin: tuple[int, int] = (0, 0),
    most: int | None = MAX_COMPONENTS,
) -> tuple[tuple[Component, ...], int]:
    """The objects of a score map.

    Args:
        score_map: float32 [H, W], 0..1, zero outside the region.
        threshold: pixels at or above it belong to an object; touching ones, also over a corner, to the same.
        mm_per_px: None where it is unknown.
        origin: x, y of the map's first pixel in the full frame.
        most: of the components that are returned; None for all, which a verdict needs.

    Returns:
        The components, the highest score first, none of them rejected yet; and how many there were.
    """
    inside = (score_map >= threshold).view(np.uint8)
    left, top, across, down = cv2.boundingRect(inside)
    if not across:
        return (), 0
    around = np.s_[top : top + down, left : left + across]
    score_map, inside = score_map[around], inside[around]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8, ltype=cv2.CV_32S)
    found = []
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[label])
        if area < MIN_AREA_PX:
            continue
        window = np.s_[y : y + height, x : x + width]
        mask = labels[window] == label
        scores = score_map[window][mask]
        found.append((float(scores.mean()), float(scores.max()), (x, y), mask))
    found.sort(key=lambda entry: entry[0], reverse=True)
    components = tuple(
        _component(mean, peak, (x + left + origin[0], y + top + origin[1]), mask, mm_per_px)
        for mean, peak, (x, y), mask in found[:most]
    )
    return components, len(found)


def _component(
    mean: float, peak: float, at: tuple[int, int], mask: NDArray[np.bool_], scale: float | None
) -> Component:
    height, width = mask.shape
    box, length, width_px = _smallest_box(mask)
    return Component(
        bbox_px=(at[0], at[1], at[0] + width, at[1] + height),
        box_px=tuple((float(x) + at[0], float(y) + at[1]) for x, y in box),
        length_px=length,
        width_px=width_px,
        area_px=int(mask.sum()),
        mean_score=mean,
        peak_score=peak,
        length_mm=None if scale is None else length * scale,
        width_mm=None if scale is None else width_px * scale,
        area_mm2=None if scale is None else float(mask.sum()) * scale * scale,
        rejected=False,
    )


def _smallest_box(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float, float]:
    """Corners (float32 [4, 2], x and y), long and short side of the smallest rectangle around whole pixels.

    The points are the corners of the pixels, not their centres: a line of 1 × 10 pixels is 10 long, not 9. Of each row
    only the first and last pixel can touch the rectangle.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask.argmax(axis=1)[rows]
    last = mask.shape[1] - mask[:, ::-1].argmax(axis=1)[rows]
    points = np.concatenate([np.stack([x, y], axis=1) for x in (first, last) for y in (rows, rows + 1)])
    rectangle = cv2.minAreaRect(points.astype(np.float32))
    long, short = max(rectangle[1]), min(rectangle[1])
    return np.asarray(cv2.boxPoints(rectangle), np.float32), float(long), float(short)
