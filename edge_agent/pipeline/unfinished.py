"""Triggers that no inspection will answer any more: each gets its ERROR."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.log import event
from edge_agent.pipeline.concluding import Inspected
from edge_agent.pipeline.inspecting import NO_ENGINE
from edge_agent.pipeline.triggers import TriggerQueue
from edge_agent.results.outbox import Outbox

log = logging.getLogger(__name__)


def interrupted(outbox: Outbox) -> Iterator[Inspected]:
    """What the last process accepted and did not answer. Raises StorageError."""
    why = Reason("interrupted", "the agent ended before the part was inspected")
    for trigger in outbox.unanswered():
        log.warning(event("trigger-interrupted", part=trigger.part_id, id=trigger.id))
        yield Inspected(trigger, None, Inspection(Verdict.ERROR, (why,)), NO_ENGINE)


def overdue(triggers: TriggerQueue) -> Iterator[Inspected]:
    """What is at work and has missed its deadline; what the inspection says later is not recorded."""
    for trigger, why in triggers.overdue():
        yield Inspected(trigger, None, Inspection(Verdict.ERROR, (why,)), NO_ENGINE)
