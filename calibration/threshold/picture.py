"""Rates over the threshold, and the parts at the chosen one, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calibration.threshold.choice import Choice, rejected
from edge_agent.errors import StorageError

CLEAN, BAD = "tab:blue", "tab:red"


def draw(
    file: Path,
    clean: NDArray[np.float64],
    bad: NDArray[np.float64],
    thresholds: Sequence[float],
    choice: Choice,
    wished: float,
    unit: str,
) -> None:
    """Draw to a PNG or PDF file.

    Args:
        clean, bad: longest component [parts, thresholds] in `unit`; bad may have no parts.

    Raises:
        StorageError: the file cannot be written.
    """
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    rates, parts = figure.subplots(1, 2)
    _rates(rates, clean, thresholds, choice.limit, "clean parts rejected", CLEAN)
    if len(bad):
        _rates(rates, bad, thresholds, choice.limit, "bad parts rejected", BAD)
    rates.axhline(100 * wished, color="grey", ls=":", label=f"wished: {wished:.2%} of clean parts")
    rates.axvline(choice.threshold, color="black", lw=1, label=f"chosen: {choice.threshold:g}")
    rates.set(xlabel="threshold", ylabel="parts, %", ylim=(-2, 102), title=f"objects from {choice.limit:g} {unit}")
    column = list(thresholds).index(choice.threshold)
    for lengths, label, colour in ((clean, "clean", CLEAN), (bad, "bad", BAD)):
        if len(lengths):
            longest = np.sort(lengths[:, column])
            parts.plot(np.linspace(0, 100, len(longest)), longest, "o-", ms=4, color=colour, label=f"{label} parts")
    parts.axhline(choice.limit, color="black", lw=1, label=f"limit: {choice.limit:g} {unit}")
    parts.set(xlabel="parts, %, ordered", ylabel=f"longest object, {unit}", title=f"threshold {choice.threshold:g}")
    for axes in (rates, parts):
        axes.grid(alpha=0.3)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)  # it would hide parts anywhere inside
    try:
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot be written ({error})", where=str(file), mend="give another --picture") from error


def _rates(
    axes: Axes, lengths: NDArray[np.float64], thresholds: Sequence[float], limit: float, label: str, colour: str
) -> None:
    """The rate at each threshold, with the band in which it lies with 95 % confidence."""
    found = [rejected(lengths[:, column], limit) for column in range(len(thresholds))]
    low, high = np.array([rate.interval for rate in found]).T * 100
    axes.fill_between(thresholds, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(thresholds, [100 * rate.value for rate in found], "o-", ms=3, color=colour, label=label)
