"""Data sets for networks that judge one picture: good pictures to train on, labelled ones to test.

Three forms are read: a folder in the layout of MVTec AD (train/good, test/<defect>, ground_truth/<defect>), MNIST as
one npz file, of which one digit is the good one, and one class of CIFAR-10 as npz file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.datasets.annotated_pair import DatasetError
from edge_agent.images import read_image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
GOOD = "good"
FEWEST = 2  # good pictures; one alone says nothing of how much they differ
MNIST = ("x_train", "y_train", "x_test", "y_test")
CIFAR = ("train", "test_normal", "test_other")

Pictures = NDArray[np.uint8]  # BGR [M, H, W, 3]


@dataclass(frozen=True)
class TestSet:
    """Labelled pictures, all of one size.

    Attributes:
        pictures: BGR uint8 [M, H, W, 3].
        kinds: of each picture: "good", or the name of its defect.
        masks: bool [M, H, W], True where anomalous; None where the data set has no masks.
    """

    __test__ = False  # pytest would take the name for a test

    pictures: Pictures
    kinds: tuple[str, ...]
    masks: NDArray[np.bool_] | None

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """bool [M], True for each picture that is not good."""
        return np.array([kind != GOOD for kind in self.kinds])


def good_pictures(source: Path, size: tuple[int, int], normal: int | None = None) -> Pictures:
    """Pictures of good parts to train on, at `size` (height, width).

    Args:
        source: a folder that holds train/good, a folder of pictures, or an npz file.
        size: what they are resized to; those of an npz file are cut or padded around their centre instead.
        normal: the digit that is good, for MNIST.

    Raises:
        DatasetError: there is none, or the file is none of the known forms.
    """
    if source.suffix == ".npz":
        arrays = _arrays(source)
        if "train" in arrays:
            return _centred(arrays["train"], size)
        chosen = arrays["y_train"] == _digit(normal, source)
        if chosen.sum() < FEWEST:
            raise DatasetError(f"holds no pictures of {normal}", where=str(source), mend="name another with --normal")
        return _centred(arrays["x_train"][chosen], size)
    place = source / "train" / GOOD
    files = _files(place if place.is_dir() else source)
    if not files:
        mend = "name a folder of good pictures, or one that holds train/good"
        raise DatasetError("holds no picture of a good part", where=str(source), mend=mend)
    if len(files) < FEWEST:
        mend = "give some hundred, so that the network sees how much good parts differ"
        raise DatasetError("holds only one picture of a good part", where=str(source), mend=mend)
    return np.stack([resized(read_image(file), size) for file in files])


def read_tests(source: Path, size: tuple[int, int], normal: int | None = None) -> TestSet:
    """Pictures to test with; see `good_pictures`.

    A folder without ground_truth gives no masks. Raises DatasetError where there is no picture, or a mask is missing.
    """
    if source.suffix == ".npz":
        arrays = _arrays(source)
        if "train" in arrays:
            pictures = np.concatenate([arrays["test_normal"], arrays["test_other"]])
            kinds = [GOOD] * len(arrays["test_normal"]) + ["other"] * len(arrays["test_other"])
        else:
            digit = _digit(normal, source)
            pictures, kinds = arrays["x_test"], [GOOD if y == digit else f"{y}" for y in arrays["y_test"]]
        return TestSet(_centred(pictures, size), tuple(kinds), None)
    files = [file for folder in sorted((source / "test").glob("*")) for file in _files(folder)]
    if not files:
        mend = "name a folder in the layout of MVTec AD"
        raise DatasetError("holds no test picture", where=str(source / "test"), mend=mend)
    pictures = np.stack([resized(read_image(file), size) for file in files])
    folders = tuple(file.parent.name for file in files)
    if not (source / "ground_truth").is_dir():
        return TestSet(pictures, folders, None)
    return TestSet(pictures, folders, np.stack([_mask(file, source, size) for file in files]))


def is_grey(pictures: Pictures) -> bool:
    """Whether none of the pictures [M, H, W, 3] shows a colour."""
    return bool((pictures[..., 0] == pictures[..., 1]).all() and (pictures[..., 1] == pictures[..., 2]).all())


def npz_size(source: Path) -> int | None:
    """Size of picture that suits an npz file: 28 for MNIST, 30 for CIFAR; None for a folder."""
    if source.suffix != ".npz":
        return None
    return 30 if "train" in _arrays(source) else 28


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The whole image at (height, width): averaged where it shrinks, bilinear where it grows."""
    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] * image.shape[1] > size[0] * size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=method), np.uint8)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)


def _mask(file: Path, source: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    defect = file.parent.name
    if defect == GOOD:
        return np.zeros(size, np.bool_)
    place = source / "ground_truth" / defect
    path = next((p for p in (place / f"{file.stem}_mask.png", place / f"{file.stem}.png") if p.is_file()), None)
    if path is None:
        raise DatasetError("has no mask", where=str(file), mend=f"put it at {place / (file.stem + '_mask.png')}")
    return np.asarray(resized(read_image(path), size)[..., 0] >= 128)


def _arrays(source: Path) -> Mapping[str, NDArray[np.uint8]]:
    try:
        with np.load(source, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise DatasetError("no such file", where=str(source), mend="check the path") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"is no npz file of arrays ({error})", where=str(source)) from None
    if not any(all(name in arrays for name in names) for names in (MNIST, CIFAR)):
        wanted = " or ".join(", ".join(names) for names in (MNIST, CIFAR))
        raise DatasetError(f"must hold the arrays {wanted}, but has {', '.join(arrays)}", where=str(source))
    return arrays


def _digit(normal: int | None, source: Path) -> int:
    if normal is None:
        raise DatasetError("holds several classes", where=str(source), mend="say which one is good with --normal")
    return normal


def _centred(pictures: NDArray[np.uint8], size: tuple[int, int]) -> Pictures:
    """RGB [M, h, w, 3] or grey [M, h, w] -> BGR at `size`: rims cut off, or repeated, alike on both sides."""
    if pictures.ndim == 3:
        pictures = np.repeat(pictures[..., None], 3, axis=3)
    margins: Sequence[int] = [(want - have) // 2 for want, have in zip(size, pictures.shape[1:3], strict=True)]
    ends = [
        (max(m, 0), max(want - have - m, 0)) for m, want, have in zip(margins, size, pictures.shape[1:3], strict=True)
    ]
    padded = np.pad(pictures, ((0, 0), *ends, (0, 0)), mode="edge")
    top, left = (max(-m, 0) for m in margins)
    return np.ascontiguousarray(padded[:, top : top + size[0], left : left + size[1], ::-1])
