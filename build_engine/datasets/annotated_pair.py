"""One test image, its template and what is annotated on it; the text and file forms of boxes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError, MatecheckError
from edge_agent.images import read_image
from edge_agent.inspection.recipe import Polygon

Box = tuple[float, float, float, float]


class DatasetError(MatecheckError):
    """A list, an annotation or a folder of a data set cannot be read."""


@dataclass(frozen=True)
class AnnotatedPair:
    """A part to inspect, with the answer.

    Attributes:
        name: short and unique in its data set, for people.
        test, template: image files that exist.
        boxes: x0, y0, x1, y1 of each object in pixels of the test image, half-open; none for a clean part.
        region: corners (x, y) of the polygon to inspect, in pixels of the template; empty for the whole image.
        mm_per_px: None where the scale is unknown.
        mask: image of the test image's size, not black where an object is; None where boxes alone are annotated.
    """

    name: str
    test: Path
    template: Path
    boxes: tuple[Box, ...]
    region: Polygon = ()
    mm_per_px: float | None = None
    mask: Path | None = None


def annotated_pair(
    test: Path,
    template: Path,
    boxes: tuple[Box, ...],
    *,
    name: str,
    region: Polygon = (),
    mm_per_px: float | None = None,
    mask: Path | None = None,
) -> AnnotatedPair:
    """An AnnotatedPair whose files are there; without boxes they are those around the objects of its mask.

    Raises:
        ImageError: an image is missing.
    """
    for path in (test, template, *([mask] if mask else [])):
        if not path.is_file():
            raise ImageError("no such image", where=str(path), mend=f"check the entry of {name}")
    if mask and not boxes:
        boxes = boxes_of_mask(read_mask(mask))
    return AnnotatedPair(name, test, template, boxes, region, mm_per_px, mask)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """A mask uint8 [H, W], 1 where the image is not black. Raises ImageError where it cannot be read."""
    return np.asarray(read_image(path).max(axis=2) > 0, np.uint8)


def boxes_of_mask(mask: NDArray[np.uint8]) -> tuple[Box, ...]:
    """The box around each connected object of a mask."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    boxes = [tuple(float(value) for value in stats[label][:4]) for label in range(1, count)]
    return tuple((x, y, x + width, y + height) for x, y, width, height in boxes)


def box_of(numbers: Iterable[float], where: str) -> Box:
    """The first four numbers as a box. Raises DatasetError unless they span an area."""
    values = [float(number) for number in numbers][:4]
    if len(values) < 4 or not all(map(math.isfinite, values)) or values[0] >= values[2] or values[1] >= values[3]:
        raise DatasetError(f"a box must be x0 y0 x1 y1 with x0 < x1 and y0 < y1, but got {values}", where=where)
    return values[0], values[1], values[2], values[3]


def read_boxes(path: Path) -> tuple[Box, ...]:
    """Boxes of an annotation file.

    `.json` holds a list of [x0, y0, x1, y1], or an object with such a list under "objects". Any other file holds
    one box a line, `x0 y0 x1 y1` and optionally a type, which is ignored, separated by blanks or commas.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the annotation ({error})", where=str(path)) from error
    if path.suffix == ".json":
        try:
            content = json.loads(text)
            rows = content["objects"] if isinstance(content, dict) else content
            return tuple(box_of(row, str(path)) for row in rows)
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"not a list of boxes ({error})", where=str(path), mend="write [[x0, y0, x1, y1], …]"
            ) from error
    boxes = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                boxes.append(box_of(map(float, line.replace(",", " ").split()[:4]), where))
            except ValueError as error:
                raise DatasetError(f"not a number ({error})", where=where, mend="write x0 y0 x1 y1") from error
    return tuple(boxes)


def parse_points(text: str, size: int, where: str) -> tuple[tuple[float, ...], ...]:
    """Groups of `size` numbers: commas inside a group, blanks between groups, as in "10,20 30,40".

    Raises:
        DatasetError: a group has another length or holds something else than numbers.
    """
    try:
        groups = tuple(tuple(float(value) for value in group.split(",")) for group in text.split())
    except ValueError as error:
        raise DatasetError(f"not a number ({error})", where=where) from error
    if any(len(group) != size for group in groups):
        example = "x,y x,y x,y" if size == 2 else "x0,y0,x1,y1 x0,y0,x1,y1"
        raise DatasetError(f"must be groups of {size} numbers, but got {text!r}", where=where, mend=f"write {example}")
    return groups
