"""What `edge-agent inspect` is to inspect: pairs of files, from the command line or from a CSV list."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import RecipeError, UsageError
from edge_agent.images import read_image
from edge_agent.inspection.recipe import Limits, Recipe
from edge_agent.inspection.region import parse_region

REQUIRED, OPTIONAL = ("test", "template"), ("region", "mm_per_px")


@dataclass(frozen=True)
class Pair:
    """One test image and what it is compared with.

    Attributes:
        test: path of the test image.
        name: that path as it was given, for people.
        template: path of the template.
        recipe: reads the template and makes the recipe; raises MatecheckError where that cannot be done.
    """

    test: Path
    name: str
    template: Path
    recipe: Callable[[], Recipe]


class Recipes:
    """Makes recipes from bare templates. The last one is kept: many tests in a row share theirs."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._template: tuple[Path, NDArray[np.uint8]] | None = None
        self._recipe: tuple[tuple[Path, str, str], Recipe] | None = None

    def make(self, template: Path, region: str, mm_per_px: str) -> Recipe:
        """The recipe of a template with region and scale as text, "" for none. Raises RecipeError or ImageError."""
        key = (template, region, mm_per_px)
        if self._recipe is None or self._recipe[0] != key:
            if self._template is None or self._template[0] != template:
                self._template = (template, read_image(template))
            corners, scale = parse_region(region), parse_scale(mm_per_px)
            name = "".join(sign if sign.isprintable() else "?" for sign in template.stem)[:100].strip() or "template"
            try:
                recipe = Recipe(name, "file", self._template[1], corners, scale, self._limits)
            except RecipeError as error:
                raise RecipeError(
                    error.what, where=error.where, mend="give another template, region or scale"
                ) from error
            self._recipe = (key, recipe)
        return self._recipe[1]


def parse_scale(text: str) -> float | None:
    """Millimetres a pixel; None of an empty text. Raises RecipeError."""
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise RecipeError(f'"{text[:40]}" is not a number', where="mm_per_px", mend="write it like 0.0125") from None


def read_list(path: Path, recipes: Recipes, region: str = "", mm_per_px: str = "") -> list[Pair]:
    """The pairs of a CSV list with the columns test, template and, if wanted, region and mm_per_px; others are ignored.

    Relative paths are relative to the list's folder or, where nothing is there, to the working directory.

    Args:
        path: the list.
        recipes: makes the recipes, when a pair's turn comes: a wrong row spoils that pair alone.
        region, mm_per_px: for rows that give none.

    Raises:
        UsageError: the list as a whole cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            # csv refuses a zero byte up to Python 3.10, and with it the whole list
            lines = (line.replace("\0", "\N{REPLACEMENT CHARACTER}") for line in file)
            reader = csv.DictReader(lines, skipinitialspace=True)
            header = [str(name).strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            missing = [name for name in REQUIRED if name not in header]
            if missing:
                raise UsageError(
                    f"has no column {' and no column '.join(missing)}",
                    where=f"{path}:1",
                    mend=f"the first line names the columns: {','.join(REQUIRED + OPTIONAL)}",
                )
            return [
                _pair(row, f"{path}:{reader.line_num}", path.parent, recipes, (region, mm_per_px))
                for row in reader
                if any(cell.strip() for cell in _cells(row))  # a spreadsheet leaves rows of nothing but commas
            ]
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path), mend="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"is not a CSV list in UTF-8 ({error})", where=str(path), mend="save it as CSV") from error


def _pair(row: dict[Any, Any], where: str, folder: Path, recipes: Recipes, defaults: tuple[str, str]) -> Pair:
    test, template, region, mm_per_px = ((row.get(name) or "").strip() for name in REQUIRED + OPTIONAL)

    against = _resolve(folder, template)

    def recipe() -> Recipe:
        if any(cell.strip() for cell in row.get(None, ())):
            raise UsageError("has more cells than there are columns", where=where, mend='put the region in quotes "…"')
        if any("\n" in cell for cell in _cells(row | {"region": ""})):
            raise UsageError("has a cell of several lines", where=where, mend='close the quotes "…" where they end')
        if not test or not template:
            raise UsageError("names no test or no template", where=where, mend="fill both cells")
        try:
            return recipes.make(against, region or defaults[0], mm_per_px or defaults[1])
        except RecipeError as error:
            raise RecipeError(error.what, where=f"{where}: {error.where}", mend=error.mend) from error

    return Pair(_resolve(folder, test), test, against, recipe)


def _cells(row: dict[Any, Any]) -> Iterator[str]:
    """All cells of a row, those that belong to no column too."""
    for cell in row.values():
        yield from cell if isinstance(cell, list) else [cell or ""]


def _resolve(folder: Path, name: str) -> Path:
    beside = folder / name  # os.path.exists is False of a name that no file can have, where Path.exists may raise
    return Path(name) if not os.path.exists(beside) and os.path.exists(name) else beside  # noqa: PTH110


def output_names(pairs: list[Pair]) -> list[str]:
    """A file name without suffix for each pair: the test's own, after its number where two would be the same."""
    stems = [pair.test.stem for pair in pairs]
    numbered = [f"{number:04d}-{stem}" for number, stem in enumerate(stems, start=1)]
    times = Counter(stem.casefold() for stem in (*stems, *numbered))
    return [name if times[stem.casefold()] > 1 else stem for name, stem in zip(numbered, stems, strict=True)]
