"""What thumbnail and sheet are drawn with. OpenCV 5 draws true-type letters, OpenCV 4 its plotter font."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.inspection.inspection import Component, Inspection, Verdict

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # BGR
Box = tuple[int, int, int, int]  # x0, y0, x1, y1, half-open

WHITE: Colour = (255, 255, 255)
MUTED: Colour = (170, 162, 155)
INK: Colour = (26, 22, 20)
TOLERATED: Colour = (80, 200, 255)
VERDICT_COLOURS: dict[Verdict, Colour] = {
    Verdict.OK: (76, 153, 46),
    Verdict.NG: (45, 45, 214),
    Verdict.ERROR: (0, 128, 230),
}
FAINT, STRONG = 0.05, 0.5  # scores where the colours of the score map begin and where they cover the part
MAX_LABELS = 6  # more would cover the part
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True)
class View:
    """A part of the frame, enlarged or reduced: `box` in pixels of the frame, `scale` drawn pixels a frame pixel."""

    box: Box
    scale: float

    @classmethod
    def fit(cls, box: Box, width: int, height: int) -> View:
        """The box as large as fits into width × height."""
        x0, y0, x1, y1 = box
        return cls(box, min(width / (x1 - x0), height / (y1 - y0)))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the drawing."""
        x0, y0, x1, y1 = self.box
        return max(1, round((x1 - x0) * self.scale)), max(1, round((y1 - y0) * self.scale))

    def of(self, frame: NDArray[np.uint8]) -> Image:
        """This part of a frame (BGR uint8 [H, W, 3], or one channel [H, W]) as a picture of its own."""
        x0, y0, x1, y1 = self.box
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        return np.ascontiguousarray(cv2.resize(frame[y0:y1, x0:x1], self.size, interpolation=how), dtype=np.uint8)

    def points(self, points: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
        """Points (x, y) of the frame in the drawing, [N, 2]."""
        moved = np.asarray(points, np.float64) - np.asarray(self.box[:2], np.float64)
        return (moved * self.scale).astype(np.float32)

    def shows(self, component: Component) -> bool:
        """Whether its middle is in this part of the frame."""
        x, y = np.mean(component.box_px, axis=0)
        x0, y0, x1, y1 = self.box
        return bool(x0 <= x < x1 and y0 <= y < y1)


def draw_heat(frame: Image, score_map: NDArray[np.float32], view: View) -> Image:
    """The part in grey, dimmed; the higher the score, the brighter and the more opaque its colour.

    Args:
        frame: BGR uint8 [H, W, 3]; not written into.
        score_map: float32 [H, W], 0..1.
        view: what of both is drawn.
    """
    x0, y0, x1, y1 = view.box
    scores = cv2.resize(score_map[y0:y1, x0:x1], view.size, interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(cv2.cvtColor(view.of(frame), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    colours = cv2.applyColorMap(np.round(np.clip(scores, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = np.clip((scores - FAINT) / (STRONG - FAINT), 0, 1)[..., None]
    blended = 0.45 * grey * (1 - opacity) + colours * opacity
    return np.asarray(np.round(blended), np.uint8)


def inspected_box(inspection: Inspection, frame: Image) -> Box:
    """The part of the frame that was looked at; the whole frame when nothing was."""
    height, width = frame.shape[:2]
    if inspection.aligned_template is None:
        return 0, 0, width, height
    x, y, w, h = cv2.boundingRect(cv2.cvtColor(inspection.aligned_template, cv2.COLOR_BGR2GRAY))
    if not w:
        return 0, 0, width, height
    return x, y, x + w, y + h


def length_text(component: Component) -> str:
    """The length as people read it: mm where the scale is known."""
    return f"{component.length_px:.0f} px" if component.length_mm is None else f"{component.length_mm:.2f} mm"


def draw_components(picture: Image, view: View, components: Sequence[Component], text_height: int) -> None:
    """Outline each component; write the length at the longest that are rejected."""
    line = max(1, text_height // 8)
    for component in sorted(components, key=lambda each: each.rejected):
        colour = VERDICT_COLOURS[Verdict.NG] if component.rejected else TOLERATED
        corners = np.round(_outline(component, view, text_height)).astype(np.int32)
        if component.rejected:  # a light rim keeps the line visible on any ground
            cv2.polylines(picture, [corners], True, WHITE, 3 * line, cv2.LINE_AA)
        cv2.polylines(picture, [corners], True, colour, line, cv2.LINE_AA)
    rejected = sorted((each for each in components if each.rejected), key=lambda each: -each.length_px)
    rejected = [each for each in rejected if view.shows(each)]
    taken: list[Box] = []
    for component in rejected[:MAX_LABELS]:
        _label(picture, length_text(component), _outline(component, view, text_height), text_height, taken)


def write(
    picture: Image, text: str, x: int, y: int, height: int, colour: Colour = WHITE, *, bold: bool = False
) -> None:
    """Write a line with its left upper corner at (x, y); `height` is that of a capital letter."""
    cv2.putText(picture, text, (x, y + height), _FONT, _font_scale(height), colour, _stroke(height, bold), cv2.LINE_AA)


def text_width(text: str, height: int, *, bold: bool = False) -> int:
    """How wide `write` makes it."""
    return int(cv2.getTextSize(text, _FONT, _font_scale(height), _stroke(height, bold))[0][0])


def shorten(text: str, width: int, height: int) -> str:
    """The text, cut to fit into `width`."""
    if text_width(text, height) <= width:
        return text
    while text and text_width(text + "...", height) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def plate(picture: Image, box: Box, colour: Colour, radius: int = 0) -> None:
    """Fill a rectangle with round corners."""
    x0, y0, x1, y1 = box
    radius = min(radius, (x1 - x0) // 2, (y1 - y0) // 2)
    cv2.rectangle(picture, (x0 + radius, y0), (x1 - 1 - radius, y1 - 1), colour, -1)
    cv2.rectangle(picture, (x0, y0 + radius), (x1 - 1, y1 - 1 - radius), colour, -1)
    for x in (x0 + radius, x1 - 1 - radius):
        for y in (y0 + radius, y1 - 1 - radius):
            cv2.circle(picture, (x, y), radius, colour, -1, cv2.LINE_AA)


def _outline(component: Component, view: View, text_height: int) -> NDArray[np.float32]:
    """Corners of the box in the drawing, grown so that the line does not cover what it shows."""
    centre, size, angle = cv2.minAreaRect(view.points(component.box_px))
    grown = [max(side + 0.7 * text_height, text_height) for side in size]
    return np.asarray(cv2.boxPoints((centre, grown, angle)), np.float32)


def _label(picture: Image, text: str, corners: NDArray[np.float32], height: int, taken: list[Box]) -> None:
    """Write the text on a plate beside the corners, where it fits and covers no other label."""
    pad = height // 2
    width, tall = text_width(text, height, bold=True) + 2 * pad, height + 2 * pad
    (left, top), (right, bottom) = corners.min(axis=0).astype(int), corners.max(axis=0).astype(int)
    x = int(np.clip((left + right - width) // 2, 0, max(0, picture.shape[1] - width)))
    y = int(np.clip((top + bottom - tall) // 2, 0, max(0, picture.shape[0] - tall)))
    gap = pad // 2
    places = [(x, top - gap - tall), (x, bottom + gap), (right + gap, y), (left - gap - width, y)]
    for px, py in places:
        box = (int(px), int(py), int(px) + width, int(py) + tall)
        if _inside(box, picture) and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            plate(picture, box, VERDICT_COLOURS[Verdict.NG], radius=pad)
            write(picture, text, box[0] + pad, box[1] + pad, height, bold=True)
            return


def _inside(box: Box, picture: Image) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= picture.shape[1] and box[3] <= picture.shape[0]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _font_scale(height: int) -> float:
    return height / _capital_height()


def _stroke(height: int, bold: bool) -> int:
    return max(1, round(height / (10 if bold else 24)))


@functools.lru_cache(maxsize=1)
def _capital_height() -> float:
    """Height of a capital letter at scale 1, measured: it differs between OpenCV 4 and 5."""
    paper: Image = np.zeros((100, 100), np.uint8)
    cv2.putText(paper, "H", (10, 80), _FONT, 2.0, (255,), 1)
    return float(cv2.boundingRect(paper)[3]) / 2
