"""What `edge-agent inspect` is to inspect: pairs of files, from the command line or from a CSV list."""

from __future__ import annotations

import csv
from collections.abc import Callable
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
        recipe: reads the template and makes the recipe; raises MatecheckError where that cannot be done.
    """

    test: Path
    name: str
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
            name = "".join(sign if sign.isprintable() else "?" for sign in template.stem)[:100].strip() or "template"
            self._recipe = (
                key,
                Recipe(
                    name=name,
                    version="file",
                    template=self._template[1],
                    region=parse_region(region),
                    mm_per_px=parse_scale(mm_per_px),
                    limits=self._limits,
                ),
            )
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
            reader = csv.DictReader(file, skipinitialspace=True)
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
                _pair(row, f"{path}:{reader.line_num}", path.parent, recipes, (region, mm_per_px)) for row in reader
            ]
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path), mend="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"is not a CSV list in UTF-8 ({error})", where=str(path), mend="save it as CSV") from error


def _pair(row: dict[Any, Any], where: str, folder: Path, recipes: Recipes, defaults: tuple[str, str]) -> Pair:
    test, template, region, mm_per_px = ((row.get(name) or "").strip() for name in REQUIRED + OPTIONAL)

    def recipe() -> Recipe:
        if None in row:
            raise UsageError("has more cells than there are columns", where=where, mend='put the region in quotes "…"')
        if not test or not template:
            raise UsageError("names no test or no template", where=where, mend="fill both cells")
        try:
            return recipes.make(_resolve(folder, template), region or defaults[0], mm_per_px or defaults[1])
        except RecipeError as error:
            raise RecipeError(error.what, where=f"{where}: {error.where}", mend=error.mend) from error

    return Pair(_resolve(folder, test), test, recipe)


def _resolve(folder: Path, name: str) -> Path:
    beside = folder / name
    return Path(name) if not beside.exists() and Path(name).exists() else beside


def output_names(pairs: list[Pair]) -> list[str]:
    """A file name without suffix for each pair: the test's own, after its number where two would be the same."""
    stems = [pair.test.stem for pair in pairs]
    seen: dict[str, int] = {}
    for stem in stems:
        seen[stem.casefold()] = seen.get(stem.casefold(), 0) + 1
    return [
        stem if seen[stem.casefold()] == 1 else f"{number:04d}-{stem}" for number, stem in enumerate(stems, start=1)
    ]
