"""Small data sets for networks that judge one picture, drawn on the spot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def ring(seed: int, size: int = 96) -> NDArray[np.uint8]:
    """A good part: a ring on a grey table."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size, 3), 120, np.uint8)
    cv2.circle(image, (size // 2, size // 2), size // 3, (200, 190, 60), size // 12, cv2.LINE_AA)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def write_mvtec(folder: Path, good: int = 6, size: int = 96) -> Path:
    """train/good, test/good, test/spot, ground_truth/spot."""
    for name in ("train/good", "test/good", "test/spot", "ground_truth/spot"):
        (folder / name).mkdir(parents=True)
    for number in range(good):
        cv2.imwrite(str(folder / f"train/good/{number:03d}.png"), ring(number, size))
    for number in range(3):
        cv2.imwrite(str(folder / f"test/good/{number:03d}.png"), ring(100 + number, size))
        spoilt, mask = ring(200 + number, size), np.zeros((size, size), np.uint8)
        cv2.circle(spoilt, (30 + 10 * number, 40), 7, (0, 0, 250), -1)
        cv2.circle(mask, (30 + 10 * number, 40), 7, 255, -1)
        cv2.imwrite(str(folder / f"test/spot/{number:03d}.png"), spoilt)
        cv2.imwrite(str(folder / f"ground_truth/spot/{number:03d}_mask.png"), mask)
    return folder


def write_mnist(file: Path, count: int = 60) -> Path:
    """Noise in the form of MNIST: digits 0, 1 and 2 in turn."""
    rng = np.random.default_rng(0)
    pictures, digits = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 3
    np.savez(file, x_train=pictures, y_train=digits, x_test=pictures[:9], y_test=digits[:9])
    return file


def write_cifar(file: Path) -> Path:
    """Noise in the form of one class of CIFAR-10, RGB; the first channel is the largest."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 100, (8, 32, 32, 3), dtype=np.uint8) + np.array([100, 0, 0], np.uint8)
    np.savez(file, train=pictures, test_normal=pictures[:2], test_other=pictures[2:5])
    return file
