"""What commands share that change how parts are inspected: no part may see half of a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_agent.errors import CommandError
from edge_agent.inspection.inspection import Reason
from edge_agent.pipeline.triggers import TriggerQueue

CHANGING = "changing"


@contextmanager
def between_parts(triggers: TriggerQueue, patience_s: float) -> Iterator[None]:
    """Refuse triggers and wait until every part at work has its result. Raises CommandError if they take longer."""
    triggers.refuse(Reason("changing", "the recipe is being changed; wait for ready"), CHANGING)
    try:
        if not triggers.wait_until_settled(patience_s):
            raise CommandError(f"parts were still at work after {patience_s:g} s; nothing was changed", code="busy")
        yield
    finally:
        triggers.refuse(None, CHANGING)
