"""Pictures with edges and texture to make synthetic pairs of, drawn here: no photograph is shipped."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_photographs(folder: Path, count: int = 20) -> Path:
    """`count` JPEG files of 640 × 480 px."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        image = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
        for _ in range(25):
            x, y, radius = (int(v) for v in rng.integers((0, 0, 5), (640, 480, 90)))
            cv2.circle(image, (x, y), radius, rng.integers(0, 256, 3).tolist(), -1)
        cv2.imwrite(str(folder / f"{number:03}.jpg"), image)
    return folder
