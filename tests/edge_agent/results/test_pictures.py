"""Thumbnail and sheet: what people see of a result."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.inspection.inspection import Component, Inspection, Reason, Verdict
from edge_agent.results.drawing import VERDICT_COLOURS, Image, View
from edge_agent.results.sheet import WIDTH, sheet
from edge_agent.results.thumbnail import render_thumbnail
from tests.support.results import SLIVER

FRAME = np.full((480, 800, 3), 90, np.uint8)
FRAME.setflags(write=False)


def inspection(verdict: Verdict, *components: Component, window: tuple[int, int, int, int] = (200, 100, 600, 400)):
    if verdict is Verdict.ERROR:
        return Inspection(verdict, (Reason("blurred", "the picture is blurred"),))
    x0, y0, x1, y1 = window
    template, scores = np.zeros_like(FRAME), np.zeros(FRAME.shape[:2], np.float32)
    template[y0:y1, x0:x1] = 120
    for component in components:
        cx0, cy0, cx1, cy1 = component.bbox_px
        scores[max(0, cy0) : cy1, max(0, cx0) : cx1] = component.score
    reasons = (Reason("component", "1 object, 2.06 mm long"),) if components else ()
    return Inspection(verdict, reasons, 0.9, components, len(components), scores, template, {"inference": 80.0})


def decode(content: bytes) -> Image:
    assert content[:2] == b"\xff\xd8"
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_thumbnail_wears_the_colour_of_its_verdict(verdict: Verdict) -> None:
    components = (SLIVER,) if verdict is Verdict.NG else ()
    picture = decode(render_thumbnail(FRAME, inspection(verdict, *components), 320))
    assert picture.shape[1] == 320
    assert np.abs(picture[-3, 3].astype(int) - VERDICT_COLOURS[verdict]).max() < 12


def test_a_thumbnail_shows_what_was_inspected_and_marks_the_object() -> None:
    marked = decode(render_thumbnail(FRAME, inspection(Verdict.NG, SLIVER), 400))
    clean = decode(render_thumbnail(FRAME, inspection(Verdict.OK), 400))
    assert clean.shape == marked.shape == (300 + 3 * 8, 400, 3)  # 400 × 300 were inspected
    x0, y0, x1, y1 = 310 - 200, 200 - 100, 352 - 200, 221 - 100
    changed = np.abs(marked[:300].astype(int) - clean[:300].astype(int)).max(axis=2) > 60
    assert changed[y0 - 40 : y1 + 40, x0 - 40 : x1 + 40].any()
    assert not changed[:, 300:].any()


def test_an_object_below_the_limit_is_outlined_without_a_length() -> None:
    tolerated = replace(SLIVER, rejected=False)
    ok, ng = (decode(render_thumbnail(FRAME, inspection(Verdict.NG, each), 400)) for each in (tolerated, SLIVER))
    red = [((picture[:300, ..., 2] > 150) & (picture[:300, ..., 1] < 100)).sum() for picture in (ok, ng)]
    assert red[0] == 0 < red[1]


def test_a_heat_map_glows_where_the_score_is_high_and_leaves_the_rest_grey_and_dim() -> None:
    frame = np.full((480, 800, 3), (200, 90, 90), np.uint8)
    judged = inspection(Verdict.NG, SLIVER)
    plain, heat = (decode(render_thumbnail(frame, judged, 400, heat=heat)).astype(int) for heat in (False, True))
    assert plain.shape == heat.shape
    assert heat[250, 350].max() - heat[250, 350].min() < 10 < plain[250, 350].max() - plain[250, 350].min()
    glow = heat[110, 130]  # inside the object
    assert glow[2] > 180
    assert glow[2] > glow[0] + 60


def test_without_a_score_map_a_heat_map_is_the_plain_picture() -> None:
    error = inspection(Verdict.ERROR)
    assert render_thumbnail(FRAME, error, 320, heat=True) == render_thumbnail(FRAME, error, 320)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (2000, 3), (40, 40), (1500, 2000)])
def test_frames_of_any_shape_make_a_thumbnail_and_a_sheet(shape: tuple[int, int]) -> None:
    frame = np.zeros((*shape, 3), np.uint8)
    error = inspection(Verdict.ERROR)
    assert decode(render_thumbnail(frame, error, 640)).shape[1] <= 640
    assert sheet(frame, error).shape[1] == WIDTH


corner = st.tuples(st.integers(0, 799), st.integers(0, 479))


@st.composite
def components(draw: st.DrawFn) -> Component:
    (xa, ya), (xb, yb) = draw(corner), draw(corner)
    x0, x1, y0, y1 = min(xa, xb), max(xa, xb) + 1, min(ya, yb), max(ya, yb) + 1
    box = ((x0, y1), (x0, y0), (x1, y0), (x1, y1))
    length = float(max(x1 - x0, y1 - y0))
    return replace(
        SLIVER,
        bbox_px=(x0, y0, x1, y1),
        box_px=tuple((float(x), float(y)) for x, y in box),
        length_px=length,
        length_mm=draw(st.sampled_from([None, length / 20])),
        rejected=draw(st.booleans()),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(components(), max_size=12))
def test_objects_anywhere_can_be_drawn(found: list[Component]) -> None:
    judged = inspection(Verdict.NG, *found)
    assert decode(render_thumbnail(FRAME, judged, 320)).shape[1] == 320
    assert sheet(FRAME, judged, "part 7").shape[1:] == (WIDTH, 3)


def test_a_sheet_shows_template_part_score_map_and_close_up() -> None:
    page = sheet(FRAME, inspection(Verdict.NG, SLIVER), "part 7")
    plain = sheet(FRAME, inspection(Verdict.OK), "part 7")
    error = sheet(FRAME, inspection(Verdict.ERROR), "part 7")
    assert page.shape[1] == plain.shape[1] == error.shape[1] == WIDTH
    assert page.shape[0] > plain.shape[0]  # two rows of two against one row of three
    assert (np.abs(page.astype(int) - 120).max(axis=2) == 0).sum() > 100_000  # the template's grey


def test_a_view_maps_points_where_it_draws_them() -> None:
    frame = np.zeros((100, 200), np.uint8)
    frame[40:60, 100:110] = 255
    view = View.fit((80, 30, 180, 80), 400, 400)
    x, y = view.points([(100, 40)])[0]
    drawn = view.of(frame)
    assert (drawn.shape, x, y) == ((200, 400), 80, 40)
    assert drawn[int(y) + 20, int(x) + 10] > 200 > drawn[int(y) - 10, int(x) - 10]
