"""`select-recipe`: the next parts are of another kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_agent.commands.changing import between_parts
from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only, text
from edge_agent.errors import CommandError
from edge_agent.pipeline.active_recipe import ActiveRecipe
from edge_agent.pipeline.triggers import TriggerQueue


class SelectRecipe(Command):
    """`{"recipe": "x2"}`: a folder of the library. It stays selected through restarts."""

    name = "select-recipe"
    slow = True

    def __init__(
        self, recipe: ActiveRecipe, triggers: TriggerQueue, changed: Callable[[], None], patience_s: float
    ) -> None:
        self._recipe, self._triggers, self._changed = recipe, triggers, changed
        self._patience_s = patience_s

    def obey(self, request: Request) -> dict[str, Any]:
        """Read it, let the parts at work finish, then use it."""
        only(request.arguments, "recipe")
        name = text(request.arguments, "recipe", 64)
        names = self._recipe.names
        if name not in names:
            shown = ", ".join(names[:20]) or "none; name a folder of recipes in [recipe] library"
            raise CommandError(f"there is no recipe {name!a} in the library; there are: {shown}", code="unknown-recipe")
        new = self._recipe.load(name)
        with between_parts(self._triggers, self._patience_s):
            self._recipe.use(new, name)
        self._changed()
        return {"recipe": {"name": new.name, "version": new.version}}
