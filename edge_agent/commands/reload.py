"""`reload`: the recipe anew from disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_agent.commands.changing import between_parts
from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only
from edge_agent.pipeline.active_recipe import ActiveRecipe
from edge_agent.pipeline.triggers import TriggerQueue


class Reload(Command):
    """After a recipe was edited. An engine that was activated is taken by itself, agent.toml is read at a restart."""

    name = "reload"
    slow = True

    def __init__(
        self,
        recipe: ActiveRecipe,
        triggers: TriggerQueue,
        changed: Callable[[], None],
        patience_s: float,
    ) -> None:
        self._recipe, self._triggers, self._changed = recipe, triggers, changed
        self._patience_s = patience_s

    def obey(self, request: Request) -> dict[str, Any]:
        """A recipe that cannot be read changes nothing."""
        only(request.arguments)
        new = self._recipe.reload()
        with between_parts(self._triggers, self._patience_s):
            self._recipe.use(new)
        self._changed()
        return {"recipe": {"name": new.name, "version": new.version}}
