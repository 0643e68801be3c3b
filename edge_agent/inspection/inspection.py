"""What the inspection says of one frame: plain values, nothing that does work."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Verdict(str, Enum):
    """OK is said only when the part was really inspected; ERROR when it could not be."""

    OK = "OK"
    NG = "NG"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Reason:
    """Why a verdict is NG or ERROR: a code for machines ("component", "blurred", …), a text for people."""

    code: str
    text: str


@dataclass(frozen=True)
class Component:
    """One connected component of the score map.

    Attributes:
        bbox_px: x0, y0, x1, y1 in the full frame, half-open.
        box_px: the four corners (x, y) of the smallest rotated rectangle, full frame.
        length_px, width_px: long and short side of that rectangle.
        area_px: pixels of the component.
        mean_score, peak_score: of the score map inside the component, 0..1.
        length_mm, width_mm, area_mm2: None where the scale is unknown.
        rejected: True where this component makes the part NG (it exceeds the recipe's limits).
    """

    bbox_px: tuple[int, int, int, int]
    box_px: tuple[tuple[float, float], ...]
    length_px: float
    width_px: float
    area_px: int
    mean_score: float
    peak_score: float
    length_mm: float | None
    width_mm: float | None
    area_mm2: float | None
    rejected: bool

    @property
    def score(self) -> float:
        """The confidence that ranks, 0..1: the mean score (docs/accuracy.md has what else was tried)."""
        return self.mean_score


@dataclass(frozen=True)
class Inspection:
    """Outcome of one inspection.

    Attributes:
        score: the highest component score, 0 without components.
        components: ordered by score, highest first, at most 100; those that are rejected go before the rest.
        components_total: how many there were before that cut.
        score_map: float32 [H, W] over the full frame, 0 outside the region; None when nothing was inspected.
        aligned_template: BGR uint8 [H, W, 3], the template warped onto the frame; None when not registered.
        timing_ms: duration of each stage ("quality", "alignment", "inference", "components").
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    score: float = 0.0
    components: tuple[Component, ...] = ()
    components_total: int = 0
    score_map: NDArray[np.float32] | None = None
    aligned_template: NDArray[np.uint8] | None = None
    timing_ms: dict[str, float] = field(default_factory=dict)
