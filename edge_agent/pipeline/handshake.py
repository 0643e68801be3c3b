"""What a PLC looks at before it triggers."""

from __future__ import annotations

from typing import Any

from edge_agent.pipeline.triggers import TriggerQueue


def handshake(triggers: TriggerQueue) -> dict[str, Any]:
    """`ready`: a trigger would be accepted now. `busy`: a part has no result yet. `code`, `why`: what is not ready."""
    why_not = triggers.why_not_ready
    outstanding = triggers.outstanding
    return {
        "ready": why_not is None,
        "busy": outstanding > 0,
        "outstanding": outstanding,
        "code": why_not.code if why_not else "",
        "why": why_not.text if why_not else "",
    }
