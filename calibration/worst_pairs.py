"""The pairs on which an engine stands the farthest off FP32, with their pictures for the report."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.evaluation.agreement import Agreement
from calibration.pair_set import Entry
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.registration import Registered

SHOWN = 6
WIDTH_PX = 420
GAP_GAIN = 5  # a difference of a fifth is shown as the brightest


@dataclass(frozen=True, eq=False)
class ShownPair:
    """The pictures of a pair for the report: JPEG files in memory of template, part, and both score maps."""

    entry: Entry
    agreement: Agreement
    pictures: tuple[bytes, ...]


def worst(shown: list[ShownPair], pair: Registered, inspections: tuple[Inspection, Inspection]) -> list[ShownPair]:
    """The worst so far, the worst first; the newest, which stands last, gets its pictures if it is among them."""
    newest = shown[-1]
    kept = sorted(shown, key=lambda entry: entry.agreement.severity, reverse=True)[:SHOWN]
    if newest in kept:
        drawn = replace(newest, pictures=_pictures(pair, inspections))
        kept[kept.index(newest)] = drawn
    return kept


def _pictures(pair: Registered, inspections: tuple[Inspection, Inspection]) -> tuple[bytes, ...]:
    x0, y0, x1, y1 = pair.window
    maps = [
        np.zeros(pair.test.shape[:2], np.float32) if seen.score_map is None else seen.score_map[y0:y1, x0:x1]
        for seen in inspections
    ]
    heat = [_heat(pair.test, scores, seen, (x0, y0)) for scores, seen in zip(maps, inspections, strict=True)]
    gap = np.abs(maps[0] - maps[1])
    difference = cv2.applyColorMap((255 * np.clip(GAP_GAIN * gap, 0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return tuple(_jpeg(picture) for picture in (pair.template, pair.test, *heat, np.asarray(difference, np.uint8)))


def _heat(
    test: NDArray[np.uint8], scores: NDArray[np.float32], seen: Inspection, origin: tuple[int, int]
) -> NDArray[np.uint8]:
    """The part in grey, what the network marks in red on it, and the boxes that make it NG."""
    grey = cv2.cvtColor(cv2.cvtColor(test, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR).astype(np.float32)
    weight = np.clip(scores, 0, 1)[..., None] * 0.8
    picture = (grey * (1 - weight) + np.array((40, 40, 255), np.float32) * weight).astype(np.uint8)
    for component in seen.components:
        corners = np.round(np.array(component.box_px) - origin).astype(np.int32)
        colour = (0, 0, 255) if component.rejected else (0, 200, 255)
        cv2.polylines(picture, [corners], isClosed=True, color=colour, thickness=max(1, test.shape[1] // 400))
    return picture


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    factor = WIDTH_PX / picture.shape[1]
    if factor < 1:
        picture = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
