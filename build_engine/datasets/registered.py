"""Annotated pairs as the network meets them: registered by the product, kept on disk as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.datasets.annotated_pair import AnnotatedPair, Box, DatasetError, read_mask
from edge_agent.errors import MatecheckError, StorageError
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.recipe import Polygon, Recipe
from edge_agent.inspection.registration import Registrar

GAP = 5  # pixels that are taken off a box towards a neighbour that it would touch
SMALLEST_SIDE = 6  # pixels that shrinking leaves of a box at least


@dataclass(frozen=True)
class RegisteredPair:
    """A pair on disk.

    Attributes:
        name: of the annotated pair.
        file: array uint8 [H, W, 2 C + 1]: test, template warped onto it (C = 1 where both are grey, else 3, BGR), and
            the mask, 1 where an object is. Outside the region the template stands in for the test image.
        boxes: as annotated, in pixels of this array.
    """

    name: str
    file: Path
    boxes: tuple[Box, ...]

    def read(self) -> NDArray[np.uint8]:
        """The array, mapped into memory: a crop reads that crop alone."""
        array: NDArray[np.uint8] = np.load(self.file, mmap_mode="r")
        return array


def unpack(packed: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Test and template, BGR uint8 [H, W, 3], and mask [H, W] of a crop of such an array, or of the whole."""
    channels = packed.shape[2] // 2
    test, template = packed[..., :channels], packed[..., channels : 2 * channels]
    if channels == 1:
        test, template = np.repeat(test, 3, axis=2), np.repeat(template, 3, axis=2)
    return np.ascontiguousarray(test), np.ascontiguousarray(template), np.ascontiguousarray(packed[..., -1])


def register_pair(pair: AnnotatedPair, file: Path, *, margin: float) -> RegisteredPair | str:
    """Register a pair as the agent does and keep it; where the agent would refuse it, one line with its reason.

    Args:
        pair: with its files.
        file: of the array.
        margin: pixels by which the annotated boxes stand off their objects on each side.

    Raises:
        ImageError, RecipeError, DatasetError: the pair cannot be read.
        StorageError: the array cannot be written.
    """
    outcome = _registrar().register(read_image(pair.test), _recipe(pair.template, pair.region))
    if isinstance(outcome, Inspection):
        return f"{pair.name}: {'; '.join(reason.text for reason in outcome.reasons)}"
    x0, y0, x1, y1 = outcome.window
    mask = _mask(pair, margin, outcome.image.shape)[y0:y1, x0:x1]
    test = np.where(outcome.outside[..., None], outcome.template, outcome.test)
    boxes = tuple((bx0 - x0, by0 - y0, bx1 - x0, by1 - y0) for bx0, by0, bx1, by1 in pair.boxes)
    _save(file, _packed(test, outcome.template, mask * ~outcome.outside))
    return RegisteredPair(pair.name, file, boxes)


@lru_cache(maxsize=1)
def _registrar() -> Registrar:
    """One a process: it keeps what it has worked out for the last recipe."""
    return Registrar()


@lru_cache(maxsize=1)
def _recipe(template: Path, region: Polygon) -> Recipe:
    try:
        return Recipe("training", "1", read_image(template), region=region)
    except MatecheckError as error:
        raise type(error)(error.what, where=f"{template}, {error.where}", mend=error.mend) from error


def _mask(pair: AnnotatedPair, margin: float, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if not pair.mask:
        return mask_of_boxes(pair.boxes, margin, shape)
    mask = read_mask(pair.mask)
    if mask.shape != shape[:2]:
        raise DatasetError(
            f"must have the test image's {shape[1]} × {shape[0]} pixels, but has {mask.shape[1]} × {mask.shape[0]}",
            where=str(pair.mask),
        )
    return mask


def mask_of_boxes(boxes: tuple[Box, ...], margin: float, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Boxes filled, each made smaller by the margin on every side but not below SMALLEST_SIDE; uint8 [H, W].

    Neighbours are kept GAP px apart on each side, the smaller one on top: what touches is one object to the product.
    """
    labels = np.zeros(shape[:2], np.float32)
    order = sorted(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), reverse=True)
    for label, (x0, y0, x1, y1) in enumerate(order, 1):
        left, right = _shrunk(x0, x1, margin)
        top, bottom = _shrunk(y0, y1, margin)
        cv2.rectangle(labels, (left, top), (right - 1, bottom - 1), label, cv2.FILLED)
    window = np.ones((2 * GAP + 1, 2 * GAP + 1), np.uint8)
    highest = cv2.dilate(labels, window)
    lowest = cv2.erode(np.where(labels > 0, labels, np.float32(np.inf)), window)
    return np.asarray((labels > 0) & (highest == lowest), np.uint8)


def _shrunk(low: float, high: float, margin: float) -> tuple[int, int]:
    side = max(high - low - 2 * margin, min(SMALLEST_SIDE, high - low))
    start = round((low + high - side) / 2)
    return start, start + max(1, round(side))


def _packed(
    test: NDArray[np.uint8], template: NDArray[np.uint8], mask: NDArray[np.uint8] | NDArray[np.bool_]
) -> NDArray[np.uint8]:
    grey = all((image == image[..., :1]).all() for image in (test, template))
    channels = slice(0, 1) if grey else slice(0, 3)
    parts = [test[..., channels], template[..., channels], mask[..., None]]
    return np.concatenate(parts, axis=2, dtype=np.uint8)


def _save(file: Path, array: NDArray[np.uint8]) -> None:
    try:
        np.save(file, array)
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror})", where=str(file), mend="make room") from error
