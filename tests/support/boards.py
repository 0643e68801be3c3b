"""Pairs of black-and-white boards with an object on one of them, drawn here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = 256
BOX = (120.0, 100.0, 146.0, 118.0)  # of the object, x0, y0, x1, y1


def board(seed: int = 0) -> np.ndarray:
    """Traces and pads, BGR uint8 [256, 256, 3]."""
    rng = np.random.default_rng(seed)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    for _ in range(14):
        x0, y0, x1, y1 = (int(value) for value in rng.integers(0, SIZE, 4))
        cv2.line(image, (x0, y0), (x1, y1), (200, 200, 200), 5)
        cv2.circle(image, (x0, y0), int(rng.integers(6, 16)), (200, 200, 200), -1)
    x0, y0, x1, y1 = (int(value) for value in BOX)
    image[y0 - 8 : y1 + 8, x0 - 8 : x1 + 8] = 0  # so that the object is seen
    return image


def write_board(folder: Path, *, shift: tuple[int, int], with_object: bool, seed: int = 0) -> tuple[Path, Path]:
    """Test and template files; the template is shifted."""
    folder.mkdir(parents=True, exist_ok=True)
    test = board(seed)
    template = cv2.warpAffine(test, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]), (SIZE, SIZE))
    if with_object:
        x0, y0, x1, y1 = (int(value) for value in BOX)
        test[y0:y1, x0:x1] = 255
    files = folder / "test.png", folder / "template.png"
    for file, image in zip(files, (test, template), strict=True):
        cv2.imwrite(str(file), image)
    return files


def write_pairs(folder: Path, count: int, *, masks: bool = False) -> Path:
    """A folder of pairs, each with one object, annotated by a mask or by its box."""
    answers = []
    for number in range(count):
        write_board(folder / f"{number:02}", shift=(0, 0), with_object=True, seed=number)
        if masks:
            mask = np.zeros((SIZE, SIZE), np.uint8)
            x0, y0, x1, y1 = (int(value) for value in BOX)
            mask[y0:y1, x0:x1] = 255
            cv2.imwrite(str(folder / f"{number:02}" / "mask.png"), mask)
        else:
            answers.append(f'"{number:02}": {{"objects": [{list(BOX)}]}}')
    if answers:
        (folder / "objects.json").write_text("{" + ", ".join(answers) + "}")
    return folder
