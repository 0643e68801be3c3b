"""The worst cases as one picture: test, aligned template and score map around each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.evaluation.detection import Boxes
from build_engine.evaluation.worst_cases import Case

Picture = NDArray[np.uint8]

TILE = 200
GAP = 8
CAPTION = 26
MIN_SIDE = 64.0  # pixels of the frame that a tile shows at least: a speck needs its surroundings
PAPER = (255, 255, 255)
INK = (40, 40, 40)
ANNOTATED = (60, 170, 40)
DETECTED = (40, 40, 220)


@dataclass(frozen=True, eq=False)
class Scene:
    """The pictures of one inspected pair that the sheet cuts its tiles from.

    Attributes:
        name: of the pair.
        test, template: BGR uint8 [H, W, 3]; the template as it was aligned.
        score_map: float32 [H, W], 0..1.
        detected, annotated: float64 [N, 4] boxes in the frame.
    """

    name: str
    test: Picture
    template: Picture
    score_map: NDArray[np.float32]
    detected: Boxes
    annotated: Boxes


def draw_worst(
    false: Sequence[Case], missed: Sequence[Case], scene: Callable[[int], Scene], heading: str, margin_px: float
) -> Picture:
    """The sheet: false cases on the left, missed ones on the right.

    Args:
        false, missed: the cases, worst first.
        scene: gives the pictures of the pair with that index.
        heading: first line of the sheet, ASCII.
        margin_px: by which detected boxes were grown when they were judged.

    Returns:
        BGR uint8 [H, W, 3].
    """
    columns = [
        _column(f"{len(false)} false detections, most confident first", false, scene),
        _column(f"{len(missed)} missed objects, least overlapped first", missed, scene),
    ]
    height = max(len(column) for column in columns)
    body = np.hstack([_bordered(column, below=height - len(column)) for column in columns])
    judged = f"IoU is of boxes grown by {margin_px:g} px" if margin_px else "IoU is of the boxes as they are"
    legend = f"test | aligned template | score 0..1     green: annotated, red: detected; {judged}"
    return _bordered(np.vstack([_line(text, body.shape[1], 0.55) for text in (heading, legend)] + [body]), left=GAP)


def _column(title: str, cases: Sequence[Case], scene: Callable[[int], Scene]) -> Picture:
    width = 3 * (TILE + GAP) + 2 * GAP
    rows = [_line(title, width, 0.55)]
    for case in cases:
        pair = scene(case.image)
        x0, y0, x1, y1 = case.box
        where = f"{x1 - x0:.0f} x {y1 - y0:.0f} px at {x0:.0f},{y0:.0f}"
        said = f"score {case.confidence:.2f}, IoU {case.overlap:.2f}" if case.confidence else "nothing overlaps"
        rows.append(_line(f"{pair.name}: {where}: {said}", width, 0.5))
        rows.append(_bordered(_tiles(pair, case), right=2 * GAP))
    return np.vstack(rows)


def _tiles(scene: Scene, case: Case) -> Picture:
    heat = cv2.applyColorMap(np.round(scene.score_map * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    x0, y0, x1, y1 = case.box
    side = round(max(MIN_SIDE, 2.0 * max(x1 - x0, y1 - y0)))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    tiles = []
    for layer in (scene.test, scene.template, heat):
        shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
        crop = cv2.warpAffine(layer, shift, (side, side), flags=cv2.INTER_NEAREST, borderValue=(128, 128, 128))
        smooth = cv2.INTER_AREA if side > TILE else cv2.INTER_NEAREST
        tile = cv2.resize(crop, (TILE, TILE), interpolation=smooth)
        for boxes, colour in ((scene.annotated, ANNOTATED), (scene.detected, DETECTED)):
            for corners in np.round((boxes - [left, top, left, top]) * TILE / side).astype(int).tolist():
                cv2.rectangle(tile, corners[:2], corners[2:], colour, 1)
        tiles.append(_bordered(np.asarray(tile, np.uint8), below=GAP, right=GAP))
    return np.hstack(tiles)


def _line(text: str, width: int, size: float) -> Picture:
    strip = np.full((CAPTION, width, 3), PAPER, np.uint8)
    cv2.putText(strip, text, (0, CAPTION - 9), cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)
    return strip


def _bordered(picture: Picture, *, below: int = 0, left: int = 0, right: int = 0) -> Picture:
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, left, right, cv2.BORDER_CONSTANT, value=PAPER), np.uint8)
