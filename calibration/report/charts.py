"""Small charts as inline SVG: they print sharply and need no script."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLUE, RED, GREY = "#3b6ea5", "#c0392b", "#8a8f98"


def distribution(counts: Sequence[int], low: float, high: float, limit: float | None, size: tuple[int, int]) -> str:
    """Histogram of a tensor on a logarithmic scale, with the range ± limit that INT8 can say marked in red.

    Args:
        counts: in bins of one width from `low` to `high`.
        limit: None where there is no INT8.
        size: width and height in pixels.
    """
    width, height = size
    tallest = math.log1p(max(counts, default=0)) or 1.0
    step = width / max(1, len(counts))
    bars = "".join(
        f'<rect x="{k * step:.1f}" y="{height - h:.1f}" width="{step:.2f}" height="{h:.1f}"/>'
        for k, count in enumerate(counts)
        if (h := height * math.log1p(count) / tallest) > 0
    )
    marks = ""
    if limit is not None and high > low:
        places = [(value - low) / (high - low) * width for value in (-limit, limit)]
        marks = "".join(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="{RED}" stroke-width="1.5"/>'
            for x in places
            if -1 <= x <= width + 1
        )
    return _svg(width, height, f'<g fill="{BLUE}">{bars}</g>{marks}')


def histogram(values: Sequence[float], low: float, high: float, labels: tuple[str, str], bins: int = 30) -> str:
    """How often which value; what lies beyond counts at the ends. `labels` stand below both ends."""
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int((value - low) / (high - low) * bins)))] += 1
    width, height = 280, 80
    step, tallest = width / bins, max([*counts, 1])
    bars = "".join(
        f'<rect x="{k * step + 0.5:.1f}" y="{height - height * count / tallest:.1f}" '
        f'width="{step - 1:.1f}" height="{height * count / tallest:.1f}"/>'
        for k, count in enumerate(counts)
    )
    text = (
        f'<text x="0" y="{height + 14}">{labels[0]}</text>'
        f'<text x="{width}" y="{height + 14}" text-anchor="end">{labels[1]}</text>'
    )
    axis = f'<line x1="0" x2="{width}" y1="{height}" y2="{height}" stroke="{GREY}"/>'
    return _svg(width, height + 18, f'<g fill="{BLUE}">{bars}</g>{axis}{text}')


def places(points: Sequence[tuple[float, float, bool]]) -> str:
    """Where the parts lay: x, y in pixels from the template's place, and whether there was an object (red)."""
    side = 180
    reach = max([1.0, *(abs(value) for x, y, _ in points for value in (x, y))]) * 1.1
    scale = side / (2 * reach)
    cross = (
        f'<line x1="0" x2="{side}" y1="{side / 2}" y2="{side / 2}" stroke="{GREY}" stroke-width="0.5"/>'
        f'<line x1="{side / 2}" x2="{side / 2}" y1="0" y2="{side}" stroke="{GREY}" stroke-width="0.5"/>'
    )
    dots = "".join(
        f'<circle cx="{side / 2 + x * scale:.1f}" cy="{side / 2 + y * scale:.1f}" r="2.5" '
        f'fill="{RED if marked else BLUE}" fill-opacity="0.6"/>'
        for x, y, marked in points
    )
    text = f'<text x="0" y="{side + 14}">± {reach:.1f} px</text>'
    return _svg(side, side + 18, cross + dots + text)


def _svg(width: float, height: float, content: str) -> str:
    return (
        f'<svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'font-size="11" fill="#555">{content}</svg>'
    )
