"""`inspect`: the trigger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only, optional_text, text
from edge_agent.errors import CommandError
from edge_agent.pipeline.triggers import Trigger, TriggerQueue
from edge_agent.results.outbox import DuplicateTriggerError

MAX_PART_ID_CHARACTERS = 128
MAX_TRIGGER_ID_CHARACTERS = 64


class Inspect(Command):
    """`{"part_id": "4711"}`, and optionally `trigger_id` and `expires_at` (ISO 8601 with its offset from UTC).

    Args:
        clock_synced: whether the wall clock may be trusted; where it may not, `expires_at` cannot be judged.
    """

    name = "inspect"

    def __init__(self, triggers: TriggerQueue, self_triggered: bool, clock_synced: Callable[[], bool]) -> None:
        self._triggers, self._self_triggered, self._clock_synced = triggers, self_triggered, clock_synced

    def obey(self, request: Request) -> dict[str, Any]:
        """Accept the trigger; the reply names the result that will follow."""
        only(request.arguments, "part_id", "trigger_id", "expires_at")
        part_id = text(request.arguments, "part_id", MAX_PART_ID_CHARACTERS)
        trigger_id = optional_text(request.arguments, "trigger_id", MAX_TRIGGER_ID_CHARACTERS)
        left_s = self._left_s(optional_text(request.arguments, "expires_at", 40), request.expires_in_s)
        trigger = Trigger("command", part_id, trigger_id=trigger_id, within_s=left_s)
        said = {"part_id": part_id} | ({} if trigger_id is None else {"trigger_id": trigger_id})
        if self._self_triggered:
            raise CommandError(
                'this agent triggers itself; inspect needs mode = "command" in [trigger]', code="mode", details=said
            )
        if left_s is not None and left_s <= 0:
            raise CommandError(f"the trigger expired {-left_s:.1f} s ago", code="expired", details=said)
        try:
            refused = self._triggers.accept(trigger)
        except DuplicateTriggerError as error:
            raise CommandError(str(error), code="duplicate", details=said | {"id": error.id}) from error
        if refused:
            raise CommandError(refused.text, code=refused.code, details=said)
        return said | {"id": trigger.id}

    def _left_s(self, expires_at: str | None, expires_in_s: float | None) -> float | None:
        if expires_at is None:
            return expires_in_s
        try:
            moment = datetime.fromisoformat(expires_at.replace("Z", "+00:00"))
        except ValueError as error:
            raise CommandError('expires_at must be a time such as "2026-11-22T17:30:00Z"') from error
        if moment.tzinfo is None:
            raise CommandError("expires_at must say its offset from UTC, such as Z")
        if not self._clock_synced():
            raise CommandError(
                "this device's clock is not synchronised: expires_at cannot be judged; "
                "let the message expire instead (MQTT 5)",
                code="clock-not-synced",
            )
        left = (moment - datetime.now(timezone.utc)).total_seconds()
        return left if expires_in_s is None else min(left, expires_in_s)
