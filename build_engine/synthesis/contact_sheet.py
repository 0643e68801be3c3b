"""A sheet of samples for the eye: test, template, mask in columns."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from build_engine.synthesis.pairs import Recipe, synthesise
from build_engine.synthesis.photographs import Photographs
from edge_agent.errors import StorageError


def draw_contact_sheet(photographs: Photographs, recipe: Recipe, seed: int, count: int, file: Path) -> None:
    """Write `count` samples as one PNG, four to a row, each as test | template | mask.

    Raises:
        StorageError: the file cannot be written.
    """
    columns, gap = min(4, count), 6
    cells = []
    for index in range(count):
        sample = synthesise(photographs, recipe, seed, index)
        mask = cv2.cvtColor(sample.mask * 255, cv2.COLOR_GRAY2BGR)
        cell = np.hstack([sample.test, sample.template, mask])
        cells.append(cv2.copyMakeBorder(cell, gap, gap, gap, gap, cv2.BORDER_CONSTANT, value=(60, 60, 60)))
    cells += [np.zeros_like(cells[0])] * (-count % columns)
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = cv2.imwrite(str(file), np.vstack(rows))
    except (OSError, cv2.error):  # no such folder can be made; no such format
        written = False
    if not written:
        raise StorageError("cannot be written", where=str(file), mend="name a PNG file in a folder you may write to")
