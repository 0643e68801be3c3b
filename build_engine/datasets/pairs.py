"""Any pairs of images with boxes: a CSV list or a folder.

CSV list. A header, then one pair a line; paths are relative to the list. Columns:

| column | holds |
| --- | --- |
| test, template | image files |
| region | optional; polygon to inspect, "x,y x,y x,y …" in pixels of the template; empty: the whole image |
| mm_per_px | optional; a number |
| boxes | optional; "x0,y0,x1,y1 x0,y0,x1,y1 …", or the name of a .txt or .json file of boxes; empty: a clean part |
| mask | optional; image of the size of `test`, not black where an object is; counts for the boxes if there are none |

These are the columns of `edge-agent inspect --pairs`, with `boxes` and `mask` added, so one file serves both.

Folder. One sub-folder a pair, with `template.*`, `test.*` and, where there is one, `mask.*`. The answers stand in
`objects.json` of the folder:

    {"NAME OF SUB-FOLDER": {"objects": [[x0, y0, x1, y1], …],
                            "region_polygon": [[x, y], …] or "region_circle": [x, y, radius], "mm_per_px": 0.02}}

Everything but "objects" is optional, and so is that where a mask stands beside the images. A sub-folder with neither
is refused: a forgotten annotation would count as a clean part.
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from build_engine.datasets.annotated_pair import (
    AnnotatedPair,
    Box,
    DatasetError,
    annotated_pair,
    box_of,
    parse_points,
    read_boxes,
)
from edge_agent.inspection.recipe import Polygon

COLUMNS = ("test", "template", "region", "mm_per_px", "boxes", "mask")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
CIRCLE_CORNERS = 64


def read_pairs(path: Path) -> tuple[AnnotatedPair, ...]:
    """Pairs of a CSV list or of a folder, as the module's text describes.

    Raises:
        DatasetError: the list, the folder or an annotation is not as described.
        ImageError: an image is missing.
    """
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return _read_list(path)
    raise DatasetError("no such list or folder", where=str(path), mend="check the path")


def _read_list(path: Path) -> tuple[AnnotatedPair, ...]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
            unknown = [column for column in header if column not in COLUMNS]
            if unknown or not {"test", "template"} <= set(header):
                what = f"columns must be among {', '.join(COLUMNS)}, test and template always, but got "
                raise DatasetError(what + (", ".join(header) or "none"), where=str(path))
            return tuple(_row(row, path, reader.line_num) for row in reader if any(row.values()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"is no CSV list in UTF-8 ({error})", where=str(path), mend="save it as CSV") from error


def _row(row: dict[str, str], path: Path, line: int) -> AnnotatedPair:
    where = f"{path}:{line}"
    cells = {column: (row.get(column) or "").strip() for column in COLUMNS}
    region = parse_points(cells["region"], 2, f"{where}, region")
    return annotated_pair(
        path.parent / cells["test"],
        path.parent / cells["template"],
        _boxes(cells["boxes"], path.parent, f"{where}, boxes"),
        name=f"{Path(cells['test']).stem} (line {line})",
        region=_polygon(region, f"{where}, region") if region else (),
        mm_per_px=_scale(cells["mm_per_px"], f"{where}, mm_per_px") if cells["mm_per_px"] else None,
        mask=path.parent / cells["mask"] if cells["mask"] else None,
    )


def _boxes(cell: str, folder: Path, where: str) -> tuple[Box, ...]:
    if cell.endswith((".txt", ".json")):
        return read_boxes(folder / cell)
    return tuple(box_of(group, where) for group in parse_points(cell, 4, where))


def _read_folder(folder: Path) -> tuple[AnnotatedPair, ...]:
    answers_file = folder / "objects.json"
    try:
        masks_alone = not answers_file.exists() and any(folder.glob("*/mask.*"))
        answers = {} if masks_alone else json.loads(answers_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"cannot read the answers ({error})", where=str(answers_file), mend="see build_engine/datasets/pairs.py"
        ) from error
    if not isinstance(answers, dict):
        raise DatasetError("must be an object, a name and its answer for each sub-folder", where=str(answers_file))
    pairs = []
    for sub_folder in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        answer = answers.get(sub_folder.name)
        where = f"{answers_file}, {sub_folder.name}"
        masked = _image(sub_folder, "mask").is_file()
        if masked and answer is None:
            answer = {}
        if not isinstance(answer, dict) or not ("objects" in answer or masked):
            raise DatasetError("the pair has no answer", where=where, mend='add {"objects": []} if the part is clean')
        pairs.append(_answered(sub_folder, answer, where))
    return tuple(pairs)


def _answered(sub_folder: Path, answer: dict[str, Any], where: str) -> AnnotatedPair:
    region: Polygon = ()
    try:
        if "region_polygon" in answer:
            region = _polygon(tuple((float(x), float(y)) for x, y in answer["region_polygon"]), where)
        elif "region_circle" in answer:
            x, y, radius = (float(value) for value in answer["region_circle"])
            region = circle(x, y, radius)
        boxes = tuple(box_of(row, where) for row in answer.get("objects", ()))
    except (TypeError, ValueError) as error:
        raise DatasetError(f"not as described ({error})", where=where) from error
    mask = _image(sub_folder, "mask")
    return annotated_pair(
        _image(sub_folder, "test"),
        _image(sub_folder, "template"),
        boxes,
        name=sub_folder.name,
        region=region,
        mm_per_px=_scale(answer["mm_per_px"], where) if answer.get("mm_per_px") is not None else None,
        mask=mask if mask.is_file() else None,
    )


def circle(x: float, y: float, radius: float) -> Polygon:
    """The polygon that stands for a circle."""
    turns = (2 * math.pi * corner / CIRCLE_CORNERS for corner in range(CIRCLE_CORNERS))
    return tuple((x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns)


def _image(folder: Path, stem: str) -> Path:
    found = sorted(path for path in folder.glob(f"{stem}.*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return found[0] if found else folder / f"{stem}.png"


def _polygon(points: tuple[tuple[float, ...], ...], where: str) -> Polygon:
    if len(points) < 3:
        raise DatasetError(f"a region needs 3 corners or more, but got {len(points)}", where=where)
    return tuple((point[0], point[1]) for point in points)


def _scale(value: str | float, where: str) -> float:
    try:
        scale = float(value)
    except (TypeError, ValueError):
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise DatasetError(f"must be a number above 0, but got {value!r}", where=where)
    return scale
