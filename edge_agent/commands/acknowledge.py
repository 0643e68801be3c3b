"""`acknowledge`: the receiver of a result says that it has it."""

from __future__ import annotations

from typing import Any

from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only, text
from edge_agent.errors import CommandError
from edge_agent.inspection.inspection import Reason
from edge_agent.pipeline.triggers import TriggerQueue
from edge_agent.results.outbox import Outbox

UNACKNOWLEDGED = "unacknowledged"  # the source of the refusal, and its code


def await_acknowledgement(triggers: TriggerQueue, result_id: str) -> None:
    """Refuse triggers until this result is acknowledged."""
    triggers.refuse(Reason(UNACKNOWLEDGED, f"result {result_id} is not acknowledged"), UNACKNOWLEDGED)


class Acknowledge(Command):
    """`{"id": …}` of a result. Where the agent waits for it, it is ready again afterwards."""

    name = "acknowledge"

    def __init__(self, outbox: Outbox, triggers: TriggerQueue) -> None:
        self._outbox, self._triggers = outbox, triggers

    def obey(self, request: Request) -> dict[str, Any]:
        """Note it; the same one again does no harm."""
        only(request.arguments, "id")
        result_id = text(request.arguments, "id", 64)
        if not self._outbox.confirm(result_id):
            raise CommandError(
                "there is no result of a trigger with this id", code="unknown-id", details={"id": result_id}
            )
        if not self._outbox.unconfirmed():
            self._triggers.refuse(None, UNACKNOWLEDGED)
        return {"id": result_id}
