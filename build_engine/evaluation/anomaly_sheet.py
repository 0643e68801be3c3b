"""A sheet of test pictures, their masks and the score maps of a model, to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.evaluation.one_class import Judged
from edge_agent.images import write_image

COLUMNS = 10
CELL, CAPTION = 160, 18  # pixels


def write_sheet(judged: Judged, file: Path) -> Path:
    """Examples of each kind side by side: picture, mask outlined, score map with the threshold outlined."""
    columns = [_column(judged, number) for number in _examples(judged.tests.kinds)]
    rows = [np.hstack(columns[start : start + COLUMNS]) for start in range(0, len(columns), COLUMNS)]
    widest = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, widest - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    write_image(file, np.vstack(padded))
    return file


def write_comparison(judged: Mapping[str, Judged], file: Path) -> Path:
    """The same anomalous pictures through several models: pictures with masks outlined, then a row of maps each.

    Args:
        judged: name of a model to what it says of one test set.
        file: image to write.
    """
    first = next(iter(judged.values()))
    shown = [n for n in _examples(first.tests.kinds) if first.tests.anomalous[n]]
    chosen = shown[:: -(-len(shown) // COLUMNS)]  # of every kind, where there is room
    rows = [_labelled("", [_column(first, n)[CAPTION : CAPTION + CELL] for n in chosen])]
    for name, one in judged.items():
        maps = [_column(one, n) for n in chosen]
        rows.append(_labelled(name, [np.vstack([m[:CAPTION], m[CAPTION + CELL :]]) for m in maps]))
    write_image(file, np.vstack(rows))
    return file


def _labelled(name: str, cells: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    label = np.full((len(cells[0]), CELL, 3), 255, np.uint8)
    cv2.putText(label, name, (4, CELL // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(np.hstack([label, *cells]), np.uint8)


def _examples(kinds: tuple[str, ...]) -> list[int]:
    """Numbers of pictures of every kind, spread over its pictures, two rows in all."""
    names = sorted(set(kinds))
    each = max(1, 2 * COLUMNS // len(names))
    chosen: list[int] = []
    for name in names:
        numbers = [number for number, kind in enumerate(kinds) if kind == name]
        places = np.linspace(0, len(numbers) - 1, min(each, len(numbers))).astype(int)
        chosen += [numbers[place] for place in places]
    return chosen


def _column(judged: Judged, number: int) -> NDArray[np.uint8]:
    tests, scores = judged.tests, cv2.resize(judged.maps[number], (CELL, CELL))
    picture = cv2.resize(tests.pictures[number], (CELL, CELL), interpolation=cv2.INTER_AREA)
    if tests.masks is not None:
        mask = cv2.resize(tests.masks[number].astype(np.uint8), (CELL, CELL), interpolation=cv2.INTER_NEAREST)
        cv2.drawContours(picture, _outlines(mask), -1, (0, 255, 0), 1)
    heat = cv2.applyColorMap((scores.clip(0, 1) * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    cv2.drawContours(heat, _outlines((scores >= judged.report.threshold).astype(np.uint8)), -1, (255, 255, 255), 1)
    caption = np.full((CAPTION, CELL, 3), 255, np.uint8)
    text = f"{tests.kinds[number][:16]} {judged.maps[number].max():.2f}"
    cv2.putText(caption, text, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.asarray(np.vstack([caption, picture, heat]), np.uint8)


def _outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.int32]]:
    return [np.asarray(o, np.int32) for o in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]]
