"""Which threshold and limit to set, and how sure one can be of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95


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
    """The threshold that keeps the wished rate of false rejects at the present limit and finds most of the bad parts.

    Among equals it is the one nearest to the present. Where no threshold keeps the rate, the present one stays and the
    limit is raised as little as will do.

    Args:
        clean, bad: longest component [parts, thresholds]; bad may have no parts.
        present: threshold and limit of now; the threshold is one of `thresholds`.
        wished: rate of false rejects, at most.
        step: the limit is a multiple of it.
    """
    threshold, limit = present
    options = []
    for column, candidate in enumerate(thresholds):
        false_rejects = rejected(clean[:, column], limit)
        found = rejected(bad[:, column], limit) if len(bad) else None
        if false_rejects.value <= wished:
            options.append(Choice(candidate, limit, false_rejects, found))
    if options:
        return max(options, key=lambda one: (one.found.count if one.found else 0, -abs(one.threshold - threshold)))
    column = list(thresholds).index(threshold)
    allowed = math.floor(wished * len(clean) + 1e-9)
    longest = np.sort(clean[:, column])[::-1][allowed]  # the longest that must not be rejected
    raised = round((math.floor(longest / step + 1e-9) + 1) * step, 6)
    false_rejects = rejected(clean[:, column], raised)
    return Choice(threshold, raised, false_rejects, rejected(bad[:, column], raised) if len(bad) else None)


def parts_needed(rate: float) -> int:
    """Clean parts, none of them rejected, that prove a rate of false rejects below `rate` with 95 % confidence."""
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log(1 - rate))
