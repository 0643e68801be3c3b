"""A recipe that a measurement changes: written over the old one, under a new version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_agent.inspection.recipe import Recipe


def rewrite(recipe: Recipe, folder: Path, **changes: Any) -> Recipe:
    """Write the recipe with some fields changed over that in `folder`, and return it. Raises RecipeError.

    Its version is raised: lengths and verdicts of before and after must not be taken for the same.
    """
    newer = replace(recipe, version=_next(recipe.version), **changes)
    newer.save(folder, overwrite=True)
    return newer


def _next(version: str) -> str:
    """3 -> 4; a name -> name+1 -> name+2."""
    stem, plus, number = version.rpartition("+")
    if number.isdecimal() and (plus or not stem):
        return f"{stem}{plus}{int(number) + 1}"
    return f"{version[:90]}+1"  # a recipe's version has at most 100 characters
