"""Which recipe is at work, through commands and restarts."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from edge_agent.config import RecipeSettings
from edge_agent.errors import RecipeError, StorageError
from edge_agent.inspection.recipe import SETTINGS, Recipe
from edge_agent.log import event

log = logging.getLogger(__name__)

MEMORY = "selected-recipe"  # among the results: the name of the one that a command has chosen

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a folder in the library; no way out of it


class ActiveRecipe:
    """The recipe of `[recipe] folder`, or the one of the library that a command has chosen.

    Args:
        memory: a file that holds the name of the chosen one; it counts as long as there is a library.

    Attributes:
        current: replaced as a whole; every thread may read it.

    Raises:
        RecipeError, ImageError: the recipe cannot be read.
    """

    def __init__(self, settings: RecipeSettings, memory: Path) -> None:
        self._library, self._memory = settings.library, memory
        self._folder = settings.folder
        chosen = self._remembered()
        if chosen:
            log.info(event("recipe-selected-before", recipe=chosen))
            self._folder = self._place(chosen)
        self.current = Recipe.load(self._folder)

    @property
    def names(self) -> list[str]:
        """What of the library can be read, in order; empty without one."""
        if self._library is None:
            return []
        try:
            places = [place.name for place in self._library.iterdir() if NAME.fullmatch(place.name)]
        except OSError:
            return []
        # os.path: False, and no error, of a folder that this user may not look into
        return sorted(name for name in places if os.path.isfile(self._library / name / SETTINGS))  # noqa: PTH113

    def load(self, name: str) -> Recipe:
        """Read a recipe of the library, without using it. Raises RecipeError, ImageError."""
        return Recipe.load(self._place(name))

    def reload(self) -> Recipe:
        """Read the current one again, without using it. Raises RecipeError, ImageError."""
        return Recipe.load(self._folder)

    def use(self, recipe: Recipe, name: str | None = None) -> None:
        """Work with this one; `name` says that it is another one of the library. Raises StorageError."""
        if name is not None:
            self._remember(name)
            self._folder = self._place(name)
        self.current = recipe

    def place_of_new(self, name: str) -> Path:
        """The folder for a recipe to be made in the library. Raises RecipeError."""
        return self._place(name)

    def _place(self, name: str) -> Path:
        if self._library is None:
            raise RecipeError("there is no library", where="[recipe]", mend="name a folder of recipes: library")
        if not NAME.fullmatch(name):
            raise RecipeError(
                f"{name!a} is no name of a recipe",
                mend="take letters, digits, dots, dashes, at most 64",
            )
        return self._library / name

    def _remembered(self) -> str | None:
        if self._library is None:
            return None
        try:
            name = self._memory.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"cannot be read: {error}", where=str(self._memory), mend="delete it, and select the recipe again"
            ) from error
        return name

    def _remember(self, name: str) -> None:
        aside = self._memory.with_name(self._memory.name + ".part")
        try:
            with aside.open("w", encoding="utf-8") as file:
                file.write(name + "\n")
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._memory)
        except OSError as error:
            raise StorageError(f"cannot be written: {error}", where=str(self._memory)) from error
