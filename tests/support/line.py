"""Pictures of parts as a line makes them: each a little elsewhere, in other light, some with a sliver."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.agent import picture


def part_on_the_line(number: int) -> NDArray[np.uint8]:
    """Part number n of a line, always the same; every fifth has a sliver; BGR uint8 [300, 400, 3]."""
    rng = np.random.default_rng(number)
    clean = picture(number)
    if number % 5 == 0:
        start = rng.uniform((90, 90), (250, 200))
        end = start + rng.uniform((30, -20), (60, 20))
        cv2.line(clean, tuple(start.astype(int).tolist()), tuple(end.astype(int).tolist()), (235, 235, 235), 5)
    shift = np.array([[1, 0, rng.uniform(-3, 3)], [0, 1, rng.uniform(-3, 3)]])
    moved = cv2.warpAffine(clean, shift, (400, 300), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lit: NDArray[np.uint8] = np.clip(moved * rng.uniform(0.95, 1.05), 0, 255).astype(np.uint8)
    return lit


def write_line(folder: Path, parts: int) -> None:
    """PNG files of the first parts."""
    folder.mkdir(exist_ok=True)
    for number in range(parts):
        cv2.imwrite(str(folder / f"part_{number:03d}.png"), part_on_the_line(number))
