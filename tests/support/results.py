"""Results to store and send, of a made-up part."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from edge_agent.inspection.inspection import Component, Reason, Verdict
from edge_agent.results.identifiers import uuid7
from edge_agent.results.result import EngineRef, Result

SLIVER = Component(
    bbox_px=(310, 200, 352, 221),
    box_px=((310.0, 216.0), (348.0, 200.0), (352.0, 206.0), (314.0, 221.0)),
    length_px=41.2,
    width_px=6.8,
    area_px=240,
    mean_score=0.81,
    peak_score=0.97,
    length_mm=2.06,
    width_mm=0.34,
    area_mm2=0.6,
    rejected=True,
)


def maker(verdict: Verdict = Verdict.NG, part_id: str | None = None) -> Callable[[int], Result]:
    """What Outbox.record takes."""
    found = (SLIVER,) if verdict is Verdict.NG else ()
    return lambda seq: Result(
        id=uuid7(),
        seq=seq,
        device="jetson-07",
        captured_at=datetime(2026, 11, 22, 15, 12, 30, 123000, tzinfo=timezone.utc),
        clock_synced=True,
        recipe="d-sub-9",
        recipe_version="1",
        part_id=part_id,
        trigger="command" if part_id else "free-run",
        verdict=verdict,
        reasons=(Reason("component", "sliver of 2.06 mm"),) if found else (),
        score=0.93 if found else 0.0,
        components=found,
        components_total=len(found),
        engine=EngineRef("compact", "0" * 64, "onnxruntime-cpu", "fp32"),
        timing_ms={"total": 141.0},
    )
