"""`teach`: a recipe from the clean part that lies under the camera now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edge_agent.cameras.camera import Frame
from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only, optional_number, optional_text, text
from edge_agent.errors import CommandError, RecipeError
from edge_agent.inspection.inspection import Verdict
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.region import parse_region
from edge_agent.inspection.registration import Registered, Registrar
from edge_agent.pipeline.active_recipe import ActiveRecipe

MOST_RECIPES = 1000
MOST_CORNERS_TEXT = 2000  # characters


class Teach(Command):
    """`{"recipe": "x3"}`, and optionally `region` ("x,y x,y x,y"), `mm_per_px`, `min_length_mm`, `version`.

    The recipe is new in the library, and not at work: `select-recipe` does that. What is not given is as in the
    recipe at work. Off unless `[commands] allow_teach` says otherwise: who may teach says what a good part is.

    Args:
        picture: the next one of the camera; raises CameraError.
    """

    name = "teach"
    slow = True

    def __init__(self, recipe: ActiveRecipe, picture: Callable[[], Frame], allowed: bool) -> None:
        self._recipe, self._picture, self._allowed = recipe, picture, allowed

    def obey(self, request: Request) -> dict[str, Any]:
        """Take the picture, see that it can be registered with itself, write the folder."""
        if not self._allowed:
            raise CommandError("teach is off; set allow_teach = true in [commands]", code="not-allowed")
        only(request.arguments, "recipe", "region", "mm_per_px", "min_length_mm", "version")
        name = text(request.arguments, "recipe", 64)
        folder = self._recipe.place_of_new(name)
        if folder.exists():
            raise CommandError(f"there is a recipe {name!a} already; choose another name", code="exists")
        if len(self._recipe.names) >= MOST_RECIPES:
            raise CommandError(f"the library holds {MOST_RECIPES} recipes; delete some", code="full")
        frame = self._picture()
        recipe = self._made(name, frame, request.arguments)
        registered = Registrar().register(frame.image, recipe)
        if not isinstance(registered, Registered):
            assert registered.verdict is Verdict.ERROR
            raise CommandError(f"this picture is no template: {registered.reasons[0].text}", code="bad-template")
        recipe.save(folder)
        height, width = frame.image.shape[:2]
        return {"recipe": {"name": recipe.name, "version": recipe.version}, "template_px": [width, height]}

    def _made(self, name: str, frame: Frame, arguments: dict[str, Any]) -> Recipe:
        now = self._recipe.current
        region = optional_text(arguments, "region", MOST_CORNERS_TEXT)
        mm_per_px = optional_number(arguments, "mm_per_px", 0, 1000)
        least = optional_number(arguments, "min_length_mm", 0, 1e6)
        version = optional_text(arguments, "version", 100)
        try:
            return Recipe(
                name=name,
                version=version or "1",
                template=frame.image,
                region=now.region if region is None else parse_region(region),
                mm_per_px=now.mm_per_px if mm_per_px is None else mm_per_px,
                limits=now.limits if least is None else replace(now.limits, min_length_mm=least),
                scales=now.scales,
            )
        except RecipeError as error:
            raise CommandError(str(error)) from error
