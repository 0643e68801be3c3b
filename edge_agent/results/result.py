"""The one result type and its JSON, schema matecheck/result/1."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from edge_agent.inspection.inspection import Component, Reason, Verdict

SCHEMA = "matecheck/result/1"


@dataclass(frozen=True)
class EngineRef:
    """Which engine judged: name and version of the network, digest of its file, back end, precision."""

    name: str
    digest: str
    backend: str
    precision: str


@dataclass(frozen=True)
class Result:
    """One inspected part, as it goes to the outbox and to MQTT.

    Attributes:
        id: UUIDv7, unique for ever.
        seq: counts the results of this device without a gap, survives restarts.
        captured_at: UTC.
        clock_synced: whether the device's clock was synchronised then.
        trigger: "free-run", "command", "camera" or "file".
        timing_ms: duration of each stage, and "total".
        source: file name or device the frame came from.
    """

    id: str
    seq: int
    device: str
    captured_at: datetime
    clock_synced: bool
    recipe: str
    recipe_version: str
    part_id: str | None
    trigger: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    score: float
    components: tuple[Component, ...]
    components_total: int
    engine: EngineRef
    timing_ms: dict[str, float] = field(default_factory=dict)
    source: str = ""
    trigger_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values in the order of the contract. Lengths are floats: SCADA types a tag by its first value."""
        plain = asdict(self)
        plain["captured_at"] = (
            self.captured_at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        plain["verdict"] = self.verdict.value
        plain["components"] = [_component(c) for c in self.components]
        plain["score"] = round(float(self.score), 4)
        plain["timing_ms"] = {stage: round(float(ms), 2) for stage, ms in self.timing_ms.items()}
        return {"schema": SCHEMA, **plain}

    def to_json(self) -> str:
        """One line of JSON. What is no Unicode (a file name may be any bytes) becomes "?"."""
        line = json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return line.encode("utf-8", "replace").decode("utf-8")


def _component(component: Component) -> dict[str, Any]:
    def number(value: float | None, digits: int) -> float | None:
        return None if value is None else round(float(value), digits)

    return {
        "bbox_px": list(component.bbox_px),
        "box_px": [[round(float(x), 1), round(float(y), 1)] for x, y in component.box_px],
        "length_px": number(component.length_px, 2),
        "width_px": number(component.width_px, 2),
        "area_px": component.area_px,
        "length_mm": number(component.length_mm, 4),
        "width_mm": number(component.width_mm, 4),
        "area_mm2": number(component.area_mm2, 5),
        "mean_score": number(component.mean_score, 4),
        "peak_score": number(component.peak_score, 4),
        "score": number(component.score, 4),
        "rejected": component.rejected,
    }
