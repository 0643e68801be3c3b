"""What the report counts: above all, a part that could not be judged is not a part that was found right."""

from __future__ import annotations

from pathlib import Path

from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.report import summarise, table
from edge_agent.engines import ModelInfo
from edge_agent.inspection.inspection import Component, Inspection, Reason, Verdict

MODEL = ModelInfo("net", "1", "pair", 0.5, "ab" * 32, 480, 640)
BOX = (92.0, 92.0, 128.0, 128.0)


def pair(*boxes: tuple[float, float, float, float]) -> AnnotatedPair:
    return AnnotatedPair("pair", Path("test.png"), Path("template.png"), boxes)


def component(score: float) -> Component:
    return Component((100, 100, 120, 120), (), 20.0, 20.0, 400, score, score, None, None, None, rejected=True)


FOUND = Inspection(Verdict.NG, (), 0.9, (component(0.9),), 1, timing_ms={"inference": 100.0})
NOTHING = Inspection(Verdict.OK, (), timing_ms={"inference": 300.0})
REFUSED = Inspection(Verdict.ERROR, (Reason("not-registered", "does not match"),), timing_ms={"alignment": 5.0})


def test_objects_of_a_part_that_was_refused_count_as_missed() -> None:
    report = summarise([pair(BOX), pair(BOX, (300.0, 300.0, 310.0, 310.0))], [FOUND, REFUSED], MODEL, None)
    assert (report.official.annotated, report.official.matched) == (3, 1)
    assert report.errors == {"not-registered": 1}
    assert report.escaped == 0


def test_parts_let_through_and_clean_parts_refused_are_counted() -> None:
    report = summarise([pair(BOX), pair(), pair()], [NOTHING, FOUND, NOTHING], MODEL, 0.3)
    assert (report.escaped, report.clean_pairs, report.clean_ng) == (1, 2, 1)
    assert report.verdicts == {"OK": 2, "NG": 1, "ERROR": 0}
    assert report.threshold == 0.3


def test_stages_are_medians_over_the_parts_that_reached_them() -> None:
    report = summarise([pair(BOX)] * 3, [FOUND, NOTHING, REFUSED], MODEL, None)
    assert report.median_ms == {"inference": 200.0, "alignment": 5.0}


def test_the_table_says_all_that_went_wrong() -> None:
    text = table(summarise([pair(BOX), pair(BOX), pair()], [NOTHING, REFUSED, FOUND], MODEL, None))
    for line in (
        "verdicts: OK 1, NG 1, ERROR 1",
        "called OK with an object on it: 1 of 2 pairs",
        "called NG though clean: 1 of 1 pairs",
        "errors: not-registered 1",
    ):
        assert line in text
