"""A folder of photographs as a source of random crops."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
Image = NDArray[np.uint8]
SHORT_SIDE = 520  # photographs are kept at this size: a crop of 288 px is then 0.55 to 2 × its own scale


class Photographs:
    """Random crops of the photographs in a folder and its subfolders.

    Args:
        folder: where to look.
        keep: every how many photographs and which remainders to take, e.g. (15, range(14)) leaves
            out each fifteenth for validation.

    Raises:
        ImageError: the folder holds no photograph.
    """

    def __init__(self, folder: Path, keep: tuple[int, range] = (1, range(1))) -> None:
        every, remainders = keep
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
        self.files = [file for number, file in enumerate(files) if number % every in remainders]
        if not self.files:
            raise ImageError("no photographs found", where=str(folder), mend="name a folder of JPEG or PNG files")

    def load(self, number: int) -> Image:
        """Photograph as BGR uint8, short side SHORT_SIDE."""
        return _load(self.files[number])

    def crop(self, rng: np.random.Generator, size: int) -> Image:
        """A random square, BGR uint8 [size, size, 3], at a random scale, mirrored and with colours swapped at times."""
        photograph = self.load(int(rng.integers(len(self.files))))
        height, width = photograph.shape[:2]
        side = int(size * np.exp(rng.uniform(np.log(0.45), np.log(min(height, width) / size))))
        side = max(32, min(side, height, width))
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        shrinks = side > size
        crop = cv2.resize(
            photograph[y : y + side, x : x + side],
            (size, size),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
        )
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < 0.5:
            crop = crop[::-1]
        if rng.random() < 0.5:
            crop = crop.transpose(1, 0, 2)
        if rng.random() < 0.3:
            crop = crop[:, :, rng.permutation(3)]
        return np.ascontiguousarray(crop, dtype=np.uint8)


@lru_cache(maxsize=2000)  # about 2.3 GB at the most: forked workers share what was loaded before
def _load(file: Path) -> Image:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise ImageError("cannot be decoded", where=str(file), mend="remove or replace the file")
    scale = SHORT_SIDE / min(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.asarray(resized, dtype=np.uint8)
