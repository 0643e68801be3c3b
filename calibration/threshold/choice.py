"""Which threshold and limit to set, and how sure one can be of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

CONFIDENCE = 0.95
# With the shipped network, by benchmarks.threshold: up to 0.5 lengths are right in the median. At 0.8, the highest that
# was measured, recall is still near that at 0.3, and a quarter of the objects come out shorter by 2 px or more, which
# is a quarter of one of 8 px.
RIGHT_LENGTHS, HIGHEST_UNPROVEN, SHORTENED = 0.5, 0.8, 1.25


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
    highest: float = HIGHEST_UNPROVEN,
) -> Choice:
    """The threshold and limit that keep the wished rate of false rejects and find most of the bad parts.

    Each threshold is judged with the smallest limit that keeps the rate there, the present one or a higher one. So the
    limit is raised where no threshold keeps the rate with the present one, or where more bad parts are found that way:
    an object that is missed costs more than a second look. Among equals (without bad parts all are) come first

    1. thresholds up to `highest`. A higher one nearly always allows a smaller limit, since all that is seen shrinks
       with it: in the end nothing is seen at all, and only bad parts would show that.
    2. the smallest limit, where one above RIGHT_LENGTHS counts as a quarter larger than it is.
    3. the present threshold, then the lowest, which sees most.

    The present threshold is never counted as too high: somebody chose it.

    Args:
        clean, bad: longest component [parts, thresholds]; bad may have no parts.
        present: threshold and limit of now; the threshold is one of `thresholds`.
        wished: rate of false rejects, at most.
        step: a limit that is raised becomes a multiple of it.
        highest: threshold at which the network still finds nearly all objects, as far as is known.
    """

    def merit(one: Choice) -> tuple[float, ...]:
        found = one.found.count if one.found else 0
        known = one.threshold <= max(highest, present[0])
        limit = one.limit if one.threshold <= max(RIGHT_LENGTHS, present[0]) else one.limit * SHORTENED
        return found, known, -limit, one.threshold == present[0], -one.threshold

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
