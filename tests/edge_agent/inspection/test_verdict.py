from __future__ import annotations

from dataclasses import replace

from edge_agent.inspection.inspection import Verdict
from edge_agent.inspection.recipe import Limits
from edge_agent.inspection.verdict import judge
from tests.support.results import SLIVER

LONG = replace(SLIVER, length_px=41.2, length_mm=0.82)
SHORT = replace(SLIVER, length_px=4.0, length_mm=0.08)
UNSCALED = replace(SLIVER, length_px=12.0, length_mm=None)


def test_no_object_is_ok() -> None:
    assert judge((), Limits()) == (Verdict.OK, (), ())


def test_one_object_above_the_limit_is_ng_and_says_how_long_it_is() -> None:
    verdict, reasons, components = judge((LONG, SHORT), Limits(min_length_mm=0.1))
    assert verdict is Verdict.NG
    assert reasons[0].code == "component"
    assert reasons[0].text == "1 object, 0.82 mm long, limit 0.10 mm"
    assert [component.rejected for component in components] == [True, False]


def test_several_objects_are_counted_and_the_largest_named() -> None:
    _, reasons, _ = judge((replace(LONG, length_px=15.0, length_mm=0.3), LONG), Limits(min_length_mm=0.1))
    assert reasons[0].text == "2 objects, the largest 0.82 mm long, limit 0.10 mm"


def test_an_object_as_long_as_the_limit_is_rejected() -> None:
    assert judge((replace(LONG, length_mm=0.1),), Limits(min_length_mm=0.1))[0] is Verdict.NG


def test_objects_below_the_limit_are_told_and_ok() -> None:
    verdict, reasons, components = judge((SHORT,), Limits(min_length_mm=0.1))
    assert (verdict, reasons, len(components)) == (Verdict.OK, (), 1)


def test_without_a_scale_the_limit_in_pixels_holds() -> None:
    verdict, reasons, _ = judge((UNSCALED,), Limits(min_length_mm=0.1, min_length_px=10))
    assert verdict is Verdict.NG
    assert reasons[0].text == "1 object, 12 px long, limit 10 px"
    assert judge((UNSCALED,), Limits(min_length_mm=0.1, min_length_px=13))[0] is Verdict.OK
