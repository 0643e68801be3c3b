"""Which threshold and limit to set, and how sure one can be of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95
HIGHEST_UNPROVEN = 0.5  # with the shipped network lengths come out too short above it: benchmarks.threshold


@dataclass(frozen=True)
class Rate:
    """Parts counted, with the exact (Clopper-Pearson) 95 % interval of the rate behind them."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share that was counted."""
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound of the true rate."""
        bounds = binomtest(self.count, self.of).proportion_ci(CONFIDENCE, method="exact")
        return float(bounds.low), float(bounds.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count} of {self.of} ({self.value:.1%}; with 95 % confidence {low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Choice:
    """What to set.

    Attributes:
        threshold: score from which a pixel counts.
        limit: length from which an object makes the part NG, mm or px.
        false_rejects: of clean parts.
        found: of bad parts; None without any.
    """

    threshold: float
    limit: float
    false_rejects: Rate
    found: Rate | None


def rejected(lengths: NDArray[np.float64], limit: float) -> Rate:
    """How many parts have something as long as the limit, of the longest components [parts] at one threshold."""
    return Rate(int((lengths >= limit).sum()), len(lengths))


def choose(
    clean: NDArray[np.float64],
    bad: NDArray[np.float64],
    thresholds: Sequence[float],
    present: tuple[float, float],
    wished: float,
    step: float,
) -> Choice:
    """The threshold and limit that keep the wished rate of false rejects and find most of the bad parts.

    Each threshold is judged with the smallest limit that keeps the rate there, the present one or a higher one. So the
    limit is raised where no threshold keeps the rate with the present one, or where more bad parts are found that way:
    an object that is missed costs more than a second look. Among equals (without bad parts all are) come first

    1. thresholds up to HIGHEST_UNPROVEN. A higher one always allows a smaller limit, since what is seen shrinks with
       it; that would be no gain: faint objects vanish too, and only bad parts that are found all the same show that
       nothing was lost. The present threshold is never counted as too high, somebody chose it.
    2. the smallest limit.
    3. the present threshold, then the lowest, which sees most.

    Args:
        clean, bad: longest component [parts, thresholds]; bad may have no parts.
        present: threshold and limit of now; the threshold is one of `thresholds`.
        wished: rate of false rejects, at most.
        step: a limit that is raised becomes a multiple of it.
    """

    def merit(one: Choice) -> tuple[float, ...]:
        found = one.found.count if one.found else 0
        unproven = one.threshold > max(HIGHEST_UNPROVEN, present[0])
        return found, not unproven, -one.limit, one.threshold == present[0], -one.threshold

    return max(
        (_at(clean[:, i], bad[:, i], threshold, present[1], wished, step) for i, threshold in enumerate(thresholds)),
        key=merit,
    )


def _at(
    clean: NDArray[np.float64], bad: NDArray[np.float64], threshold: float, limit: float, wished: float, step: float
) -> Choice:
    """One threshold, with the present limit or, where that rejects too many, the next that keeps the rate."""
    allowed = math.floor(wished * len(clean) + 1e-9)
    longest = np.sort(clean)[::-1][allowed]  # the longest that must not be rejected
    if longest >= limit:
        limit = round((math.floor(longest / step + 1e-9) + 1) * step, 6)
    return Choice(threshold, limit, rejected(clean, limit), rejected(bad, limit) if len(bad) else None)


def parts_needed(rate: float) -> int:
    """Clean parts, none of them rejected, that prove a rate of false rejects below `rate` with 95 % confidence."""
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(1 - rate))
