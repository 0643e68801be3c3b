"""Where the product was most wrong: false detections with the highest confidence, and objects that it missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX, ImageDetections, grown, iou, match


@dataclass(frozen=True)
class Case:
    """One wrong box.

    Attributes:
        kind: "false" (detected, matched with nothing) or "missed" (annotated, matched by nothing).
        image: index of the image it is in.
        box: x0, y0, x1, y1 in the frame; of a false case as detected, not grown.
        confidence: of a false case; of a missed one that of the detection which overlaps it most, 0 where none does.
        overlap: highest IoU with a box of the other sort, detected boxes grown.
    """

    kind: Literal["false", "missed"]
    image: int
    box: tuple[float, float, float, float]
    confidence: float
    overlap: float


def worst_cases(
    images: Sequence[ImageDetections], each: int, margin_px: float = ANNOTATION_MARGIN_PX
) -> tuple[list[Case], list[Case]]:
    """The `each` worst false and missed cases by the official protocol, detected boxes grown by the margin.

    Returns:
        False cases by falling confidence, and missed ones: first those that nothing overlaps, the largest first.
    """
    false: list[Case] = []
    missed: list[Case] = []
    for number, image in enumerate(images):
        judged = grown(image, margin_px)
        taken = match(judged)
        overlap = iou(judged.boxes, judged.truth)
        for detection in np.flatnonzero(taken < 0):
            best = float(overlap[detection].max(initial=0.0))
            false.append(Case("false", number, _box(image.boxes[detection]), float(image.confidence[detection]), best))
        for truth in np.setdiff1d(np.arange(len(image.truth)), taken):
            best = float(overlap[:, truth].max(initial=0.0))
            confidence = float(image.confidence[overlap[:, truth].argmax()]) if best > 0 else 0.0
            missed.append(Case("missed", number, _box(image.truth[truth]), confidence, best))
    false.sort(key=lambda case: -case.confidence)
    missed.sort(key=lambda case: (case.overlap, -_area(case)))
    return false[:each], missed[:each]


def _box(row: np.ndarray) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in row)
    return x0, y0, x1, y1


def _area(case: Case) -> float:
    x0, y0, x1, y1 = case.box
    return (x1 - x0) * (y1 - y0)
