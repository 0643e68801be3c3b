"""Simulated parts: how they are dealt out, what counts as found, and one run through the real inspector."""

from __future__ import annotations

import pytest

from build_engine.evaluation.simulated import (
    Outcome,
    batches,
    evaluate_parts,
    simulated_table,
    summarise_parts,
)
from edge_agent.cameras.camera import SimulatedTruth
from edge_agent.engines import ModelInfo
from edge_agent.errors import CameraError
from edge_agent.inspection.inspection import Verdict
from tests.support.models import write_difference_model

MODEL = ModelInfo("net", "1", "pair", 0.5, "ab" * 32, 480, 640)


def outcome(
    kind: str, length: float, verdict: Verdict, *, found: bool = False, reasons: tuple[str, ...] = ()
) -> Outcome:
    box = (10, 10, 20, 20) if kind else None
    return Outcome("dsub9", 0, SimulatedTruth(kind, box, length), verdict, found, 0.0, reasons)


def test_parts_are_dealt_out_evenly_and_each_once() -> None:
    plan = batches(["a", "b", "c"], 100, seed=4, share=0.5)
    dealt = {(batch.connector, number) for batch in plan for number in batch.numbers}
    assert len(dealt) == sum(len(batch.numbers) for batch in plan) == 100
    assert [sum(name == which for name, _ in dealt) for which in "abc"] == [34, 33, 33]


def test_figures_of_an_example_counted_by_hand() -> None:
    report = summarise_parts(
        [
            outcome("hair", 40, Verdict.NG, found=True),
            outcome("hair", 30, Verdict.OK),
            outcome("bead", 8, Verdict.ERROR, reasons=("not_registered",)),
            outcome("bead", 5, Verdict.OK),  # too short to count
            outcome("", 0, Verdict.OK),
            outcome("", 0, Verdict.NG),
        ],
        MODEL,
        None,
    )
    assert report.objects == {"bead": 1, "hair": 2}
    assert report.found == {"hair": 1}
    assert report.found_share == pytest.approx(1 / 3)
    assert (report.clean, report.clean_ng, report.clean_ng_share) == (2, 1, 0.5)
    assert report.errors == {"not_registered": 1}
    assert "33.3%" in simulated_table(report)


def test_a_wrong_verdict_elsewhere_does_not_count_as_found() -> None:
    # NG, but for another place than where the object lies: the object itself was missed.
    report = summarise_parts([outcome("foil", 50, Verdict.NG, found=False)], MODEL, None)
    assert report.found_share == 0.0


def test_parts_go_through_the_real_inspector(tmp_path) -> None:
    model = write_difference_model(tmp_path / "model.onnx")
    report, outcomes = evaluate_parts(["dsub9", "circular19"], 4, model, seed=1, share=0.5, threshold=None, jobs=2)
    assert report.parts == len(outcomes) == 4
    assert [result.connector for result in outcomes] == ["dsub9", "dsub9", "circular19", "circular19"]
    assert report.to_dict()["threshold"] == 0.5


def test_an_unknown_connector_is_said_before_any_work(tmp_path) -> None:
    model = write_difference_model(tmp_path / "model.onnx")
    with pytest.raises(CameraError, match="no simulated connector 'dsub7'"):
        evaluate_parts(["dsub7"], 4, model, seed=1, share=0.5, threshold=None, jobs=1)
