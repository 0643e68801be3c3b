"""The large picture for people: template, part, score map and a close look at the longest object."""

from __future__ import annotations

from itertools import zip_longest

import cv2
import numpy as np

from edge_agent.inspection.inspection import Component, Inspection, Verdict
from edge_agent.results.drawing import (
    INK,
    MUTED,
    VERDICT_COLOURS,
    WHITE,
    Box,
    Image,
    View,
    draw_components,
    draw_heat,
    inspected_box,
    plate,
    shorten,
    text_width,
    write,
)

WIDTH = 1600
GAP = 24
HEADER = 104
CAPTION = 44
TEXT = 18  # height of a capital letter in pixels; still legible when the sheet is shown at half size
MAX_PANEL_HEIGHT = 1000
SMALLEST_CLOSE_UP = 60  # frame pixels; below, nothing can be recognised around the object
LARGEST_CLOSE_UP = 0.6  # of the panel beside it; above, it would show nothing new


def sheet(test: Image, inspection: Inspection, title: str = "") -> Image:
    """Template and part side by side with boxes and lengths; score map and close-up below when there is one.

    Args:
        test: BGR uint8 [H, W, 3], the full frame; not written into.
        title: who or what this is, such as the file's name.

    Returns:
        BGR uint8 [H, 1600, 3].
    """
    longest = _longest(inspection)
    box = inspected_box(inspection, test)
    close = None if longest is None else _surroundings(longest, box, test)
    columns = 1 if inspection.aligned_template is None else 3 if close is None else 2
    panels = _panels(test, inspection, View.fit(box, _panel_width(columns), MAX_PANEL_HEIGHT), close)
    rows = [panels[first : first + columns] for first in range(0, len(panels), columns)]
    heights = [CAPTION + row[0][1].shape[0] + GAP for row in rows]
    page: Image = np.full((HEADER + sum(heights), WIDTH, 3), INK, np.uint8)
    _header(page, inspection, title)
    top = HEADER
    for row, height in zip(rows, heights, strict=True):
        for column, (caption, picture) in enumerate(row):
            left = GAP + column * (_panel_width(columns) + GAP)
            left += (_panel_width(columns) - picture.shape[1]) // 2
            write(page, caption, left, top + (CAPTION - TEXT) // 2, TEXT, MUTED)
            page[top + CAPTION : top + CAPTION + picture.shape[0], left : left + picture.shape[1]] = picture
        top += height
    return page


def _panel_width(columns: int) -> int:
    return (WIDTH - (columns + 1) * GAP) // columns


def _panels(test: Image, inspection: Inspection, view: View, close: Box | None) -> list[tuple[str, Image]]:
    """Captions and pictures, all of one size."""
    part = view.of(test)
    draw_components(part, view, inspection.components, TEXT)
    panels = [("Part", part)]
    if inspection.aligned_template is not None:
        panels.insert(0, ("Template, aligned to the part", view.of(inspection.aligned_template)))
    if inspection.score_map is not None:
        panels.append(("Score map", draw_heat(test, inspection.score_map, view)))
    if close is not None:
        panels.append(("Close-up of the longest object", _close_up(test, inspection, close, view)))
    return panels


def _longest(inspection: Inspection) -> Component | None:
    return max((each for each in inspection.components if each.rejected), key=lambda each: each.length_px, default=None)


def _surroundings(component: Component, whole: Box, test: Image) -> Box | None:
    """What the close-up shows: the object in the shape of `whole`; None when that would enlarge little."""
    wide, tall = whole[2] - whole[0], whole[3] - whole[1]
    x0, y0, x1, y1 = component.bbox_px
    share = max(2 * (x1 - x0) / wide, 2 * (y1 - y0) / tall, SMALLEST_CLOSE_UP / max(wide, tall))
    if share > LARGEST_CLOSE_UP:
        return None
    width, height = round(share * wide), round(share * tall)
    left = min(max(0, (x0 + x1 - width) // 2), test.shape[1] - width)
    top = min(max(0, (y0 + y1 - height) // 2), test.shape[0] - height)
    return left, top, left + width, top + height


def _close_up(test: Image, inspection: Inspection, box: Box, like: View) -> Image:
    view = View.fit(box, *like.size)
    picture = view.of(test)
    draw_components(picture, view, inspection.components, TEXT)
    return np.asarray(cv2.resize(picture, like.size), np.uint8)  # rounding may have cost it a pixel


def _header(page: Image, inspection: Inspection, title: str) -> None:
    """Verdict on its colour, title, why; score and duration at the right."""
    verdict, big, line = inspection.verdict, 34, 22
    bottom = HEADER - GAP // 2
    right = GAP + text_width(verdict.value, big, bold=True) + 2 * GAP
    plate(page, (GAP, GAP, right, bottom), VERDICT_COLOURS[verdict], radius=12)
    write(page, verdict.value, 2 * GAP, (GAP + bottom - big) // 2, big, bold=True)
    why = "; ".join(reason.text for reason in inspection.reasons)
    if verdict is Verdict.OK:
        why = "nothing above the limit" if inspection.components else "no difference from the template"
    facts = [f"{sum(inspection.timing_ms.values()):.0f} ms"] if inspection.timing_ms else []
    if verdict is not Verdict.ERROR:
        facts.insert(0, f"score {inspection.score:.2f}")
    facts_width = max((text_width(fact, line) for fact in facts), default=0)
    left, space = right + GAP, WIDTH - right - 3 * GAP - facts_width
    for row, (text, fact) in enumerate(zip_longest([title, why] if title else [why], facts, fillvalue="")):
        top = GAP + row * (bottom - GAP - line)
        is_title = bool(title) and row == 0
        write(page, shorten(text, space, line), left, top, line, WHITE if is_title else MUTED, bold=is_title)
        write(page, fact, WIDTH - GAP - text_width(fact, line), top, line, MUTED)
