"""Results against the truth of the simulated parts: pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from edge_agent.cameras.camera import SimulatedTruth
from edge_agent.inspection.inspection import Verdict

REACH = 6  # pixels around the true box in which a component still counts as the object


class Mark(str, Enum):
    """What a result is worth."""

    FOUND = "found"
    PASSED = "passed"
    MISSED = "missed"
    FALSE = "false"
    ERROR = "error"

    @property
    def right(self) -> bool:
        """Whether the result is what the truth asks for."""
        return self in {Mark.FOUND, Mark.PASSED}


@dataclass(frozen=True)
class Row:
    """One part as the demo shows it.

    Attributes:
        part: its number.
        largest_mm: length of the largest object that made the part NG; None without one.
        latency_ms: from the picture to the message.
        note: the first reason of an ERROR.
    """

    part: int
    truth: SimulatedTruth
    verdict: Verdict
    mark: Mark
    largest_mm: float | None
    latency_ms: float
    note: str = ""


def mark(truth: SimulatedTruth, result: dict[str, Any]) -> Mark:
    """Compare a result (its JSON) with the truth: an object is found only by a component where it lies."""
    verdict = Verdict(result["verdict"])
    if verdict is Verdict.ERROR:
        return Mark.ERROR
    if truth.bbox_px is None:
        return Mark.PASSED if verdict is Verdict.OK else Mark.FALSE
    hit = any(_touch(truth.bbox_px, component["bbox_px"]) for component in rejected(result))
    return Mark.FOUND if hit else Mark.MISSED


def rejected(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The components that made the part NG."""
    return [component for component in result["components"] if component["rejected"]]


def _touch(truth: tuple[int, int, int, int], found: Sequence[int]) -> bool:
    return (
        truth[0] - REACH < found[2]
        and found[0] < truth[2] + REACH
        and truth[1] - REACH < found[3]
        and found[1] < truth[3] + REACH
    )


@dataclass(frozen=True)
class Tally:
    """How many of each mark."""

    found: int = 0
    passed: int = 0
    missed: int = 0
    false: int = 0
    error: int = 0

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Tally:
        """Count."""
        return cls(**{each.value: sum(row.mark is each for row in rows) for each in Mark})

    def __str__(self) -> str:
        objects, clean = self.found + self.missed, self.passed + self.false
        text = f"found {self.found} of {objects} objects, missed {self.missed}, false {self.false} of {clean} clean"
        return f"{text}, {self.error} errors" if self.error else text
