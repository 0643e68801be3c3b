"""How the demo compares a result with what really lies on the part."""

import pytest

from edge_agent.cameras.camera import SimulatedTruth
from edge_agent.demo.score import Mark, Row, Tally, mark
from edge_agent.inspection.inspection import Verdict

CLEAN = SimulatedTruth("", None, 0.0)
HAIR = SimulatedTruth("hair", (100, 100, 140, 120), 40.0)


def result(verdict, *boxes, rejected=True):
    return {"verdict": verdict, "components": [{"bbox_px": list(box), "rejected": rejected} for box in boxes]}


@pytest.mark.parametrize(
    ("truth", "said", "expected"),
    [
        (CLEAN, result("OK"), Mark.PASSED),
        (CLEAN, result("NG", (5, 5, 9, 9)), Mark.FALSE),
        (HAIR, result("NG", (110, 105, 130, 118)), Mark.FOUND),
        (HAIR, result("NG", (5, 5, 9, 9)), Mark.MISSED),
        (HAIR, result("NG", (5, 5, 9, 9), (139, 119, 150, 130)), Mark.FOUND),
        (HAIR, result("OK", (110, 105, 130, 118), rejected=False), Mark.MISSED),
        (HAIR, result("OK"), Mark.MISSED),
        (HAIR, result("ERROR"), Mark.ERROR),
        (CLEAN, result("ERROR"), Mark.ERROR),
    ],
)
def test_an_object_is_found_only_by_a_rejected_component_where_it_lies(truth, said, expected):
    assert mark(truth, said) is expected


def test_the_tally_counts_objects_and_clean_parts_apart():
    rows = [
        Row(0, truth, Verdict.OK, each, None, 1.0)
        for truth, each in [(HAIR, Mark.FOUND), (HAIR, Mark.MISSED), (CLEAN, Mark.PASSED), (CLEAN, Mark.FALSE)]
    ]
    assert str(Tally.of(rows)) == "found 1 of 2 objects, missed 1, false 1 of 2 clean"
    assert str(Tally.of([*rows, Row(4, HAIR, Verdict.ERROR, Mark.ERROR, None, 1.0)])).endswith("2 clean, 1 errors")
