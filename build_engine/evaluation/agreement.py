"""Do two inspections of one part say the same? Verdict first, then component by component. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.inspection.inspection import Component, Inspection


@dataclass(frozen=True)
class AgreementLimits:
    """How far a component that makes a part NG may stand off its counterpart under FP32.

    Attributes:
        centre_px: distance of the centres of their boxes.
        length_px, length_share: of the long side, whichever is more.
        area_px, area_share: of the area, whichever is more.
        score: of the mean score.
    """

    centre_px: float = 2.0
    length_px: float = 2.0
    length_share: float = 0.05
    area_px: float = 20.0
    area_share: float = 0.1
    score: float = 0.05

    def __str__(self) -> str:
        return (
            f"centre {self.centre_px:g} px, length {self.length_px:g} px or {self.length_share:.0%}, "
            f"area {self.area_px:g} px or {self.area_share:.0%}, mean score {self.score:g}"
        )


@dataclass(frozen=True)
class Agreement:
    """One pair under both engines.

    Attributes:
        verdicts: under FP32, under the engine.
        differences: each a line for people; empty where the engine agrees.
        components: how many were compared.
        gap_mean, gap_max: of the score maps, inside the region.
        changed: pixels that change sides at the threshold.
    """

    verdicts: tuple[str, str]
    differences: tuple[str, ...]
    components: int
    gap_mean: float
    gap_max: float
    changed: int

    @property
    def severity(self) -> tuple[bool, int, int, float]:
        """Orders pairs, the worst highest."""
        return (self.verdicts[0] != self.verdicts[1], len(self.differences), self.changed, self.gap_mean)


def compare(reference: Inspection, tested: Inspection, threshold: float, limits: AgreementLimits) -> Agreement:
    """Compare what an engine says of a part with what FP32 says.

    Components count as soon as one of both engines makes the part NG for them. Those below the recipe's limit may
    come and go: they are within noise by the recipe's own word.
    """
    differences = []
    verdicts = reference.verdict.value, tested.verdict.value
    if verdicts[0] != verdicts[1]:
        why = "; ".join(reason.text for reason in tested.reasons or reference.reasons)
        differences.append(f"verdict {verdicts[1]}, FP32 says {verdicts[0]} ({why})")
    left = list(tested.components)
    compared = 0
    for component in reference.components:
        match = _nearest(component, left)
        if match:
            left.remove(match)
        if not component.rejected and not (match and match.rejected):
            continue
        compared += 1
        differences += _differences(component, match, limits)
    differences += [f"object at {_place(extra)} that FP32 does not see" for extra in left if extra.rejected]
    gap_mean, gap_max, changed = _gap(reference, tested, threshold)
    return Agreement(verdicts, tuple(differences), compared, gap_mean, gap_max, changed)


def _gap(reference: Inspection, tested: Inspection, threshold: float) -> tuple[float, float, int]:
    """Mean and largest difference of the score maps, and pixels that change sides. Outside the region both are 0."""
    if reference.score_map is None or tested.score_map is None:
        return 0.0, 0.0, 0
    inside = (reference.score_map > 0) | (tested.score_map > 0)
    first, second = reference.score_map[inside], tested.score_map[inside]
    gap = np.abs(first - second)
    changed = int(((first >= threshold) != (second >= threshold)).sum())
    return (float(gap.mean()), float(gap.max()), changed) if gap.size else (0.0, 0.0, 0)


def _nearest(component: Component, others: Sequence[Component]) -> Component | None:
    """The one that shares the most of the box; None where none touches it."""
    best = max(others, key=lambda other: _shared(component, other), default=None)
    return best if best is not None and _shared(component, best) > 0 else None


def _shared(one: Component, other: Component) -> float:
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = one.bbox_px, other.bbox_px
    return max(0, min(ax1, bx1) - max(ax0, bx0)) * max(0, min(ay1, by1) - max(ay0, by0))


def _differences(reference: Component, tested: Component | None, limits: AgreementLimits) -> list[str]:
    place = _place(reference)
    if tested is None:
        return [f"object at {place}, {reference.length_px:.0f} px long, is not seen"]
    found = []
    distance = float(np.hypot(*(np.mean(tested.box_px, axis=0) - np.mean(reference.box_px, axis=0))))
    if distance > limits.centre_px:
        found.append(f"object at {place} stands {distance:.1f} px off")
    if abs(tested.length_px - reference.length_px) > max(limits.length_px, limits.length_share * reference.length_px):
        found.append(f"object at {place} is {tested.length_px:.1f} px long, {reference.length_px:.1f} px under FP32")
    if abs(tested.area_px - reference.area_px) > max(limits.area_px, limits.area_share * reference.area_px):
        found.append(f"object at {place} has {tested.area_px} px, {reference.area_px} px under FP32")
    if abs(tested.mean_score - reference.mean_score) > limits.score:
        found.append(f"object at {place} scores {tested.mean_score:.2f}, {reference.mean_score:.2f} under FP32")
    return found


def _place(component: Component) -> str:
    x0, y0, x1, y1 = component.bbox_px
    return f"{(x0 + x1) // 2},{(y0 + y1) // 2}"
