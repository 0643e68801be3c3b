"""Components and limits -> which are rejected, OK or NG, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge_agent.inspection.components import MAX_COMPONENTS
from edge_agent.inspection.inspection import Component, Reason, Verdict
from edge_agent.inspection.recipe import Limits


def judge(components: Sequence[Component], limits: Limits) -> tuple[Verdict, tuple[Reason, ...], tuple[Component, ...]]:
    """OK or NG, the reasons, and the components with those marked that are as long as the limit, or longer."""
    judged = tuple(replace(component, rejected=exceeds(component, limits)) for component in components)
    rejected = [component for component in judged if component.rejected]
    if not rejected:
        return Verdict.OK, (), judged
    objects = "1 object" if len(rejected) == 1 else f"{len(rejected)} objects"
    the_largest = "" if len(rejected) == 1 else "the largest "
    largest = max(rejected, key=lambda component: component.length_px)
    text = f"{objects}, {the_largest}{_length(largest)} long, limit {_limit(largest, limits)}"
    return Verdict.NG, (Reason("component", text),), judged


def told(judged: Sequence[Component]) -> tuple[Component, ...]:
    """The components that a result names, at most 100, in their order: those that are rejected go before the rest."""
    first = sorted(range(len(judged)), key=lambda number: not judged[number].rejected)[:MAX_COMPONENTS]
    return tuple(judged[number] for number in sorted(first))


def exceeds(component: Component, limits: Limits) -> bool:
    """Whether the component is as long as the limit or longer; in mm where both are known, else in pixels."""
    if component.length_mm is not None and limits.min_length_mm is not None:
        return component.length_mm >= limits.min_length_mm
    return component.length_px >= limits.min_length_px


def _length(component: Component) -> str:
    return f"{component.length_px:.0f} px" if component.length_mm is None else f"{component.length_mm:.2f} mm"


def _limit(component: Component, limits: Limits) -> str:
    if component.length_mm is not None and limits.min_length_mm is not None:
        return f"{limits.min_length_mm:.2f} mm"
    return f"{limits.min_length_px:g} px"
