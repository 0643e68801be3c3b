"""`pause` and `resume`: no triggers for a while."""

from __future__ import annotations

from typing import Any

from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only
from edge_agent.inspection.inspection import Reason
from edge_agent.pipeline.triggers import TriggerQueue

PAUSED = "paused"


class Pause(Command):
    """Every trigger is refused until `resume` or a restart; what was accepted gets its result."""

    name = "pause"

    def __init__(self, triggers: TriggerQueue) -> None:
        self._triggers = triggers

    def obey(self, request: Request) -> dict[str, Any]:
        """Paused already does no harm."""
        only(request.arguments)
        self._triggers.refuse(Reason("paused", "paused by a command; send resume"), PAUSED)
        return {}


class Resume(Command):
    """Accept triggers again."""

    name = "resume"

    def __init__(self, triggers: TriggerQueue) -> None:
        self._triggers = triggers

    def obey(self, request: Request) -> dict[str, Any]:
        """Not paused does no harm."""
        only(request.arguments)
        self._triggers.refuse(None, PAUSED)
        return {}
