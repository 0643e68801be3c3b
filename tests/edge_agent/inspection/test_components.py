from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.inspection.components import MAX_COMPONENTS, find_components


def blank(height: int = 120, width: int = 160) -> np.ndarray:
    return np.zeros((height, width), np.float32)


def test_a_line_of_one_by_ten_pixels_is_ten_long() -> None:
    scores = blank()
    scores[50, 20:30] = 0.9
    (component,), total = find_components(scores, 0.5)
    assert total == 1
    assert (component.length_px, component.width_px) == (pytest.approx(10), pytest.approx(1))
    assert component.bbox_px == (20, 50, 30, 51)
    assert component.area_px == 10


@given(
    x=st.integers(0, 100),
    y=st.integers(0, 80),
    width=st.integers(4, 60),
    height=st.integers(3, 40),
    score=st.floats(0.5, 1.0),
    origin=st.tuples(st.integers(0, 3000), st.integers(0, 3000)),
)
def test_an_upright_box_is_found_to_the_pixel(
    x: int, y: int, width: int, height: int, score: float, origin: tuple[int, int]
) -> None:
    scores = blank()
    scores[y : y + height, x : x + width] = score
    (component,), _ = find_components(scores, 0.5, mm_per_px=0.02, origin=origin)
    left, top = x + origin[0], y + origin[1]
    assert component.bbox_px == (left, top, left + width, top + height)
    assert component.length_px == pytest.approx(max(width, height), abs=1e-3)
    assert component.width_px == pytest.approx(min(width, height), abs=1e-3)
    assert component.length_mm == pytest.approx(max(width, height) * 0.02, abs=1e-4)
    assert component.area_mm2 == pytest.approx(width * height * 0.0004)
    assert component.mean_score == pytest.approx(score, abs=1e-6)
    assert component.peak_score == pytest.approx(score, abs=1e-6)
    corners = np.array(component.box_px)
    np.testing.assert_allclose([corners.min(0), corners.max(0)], [(left, top), (left + width, top + height)], atol=0.01)


@given(degrees=st.floats(0, 180), length=st.floats(30, 70), width=st.floats(4, 12))
def test_a_turned_object_keeps_its_length(degrees: float, length: float, width: float) -> None:
    mask = np.zeros((120, 160), np.uint8)
    corners = cv2.boxPoints(((80.0, 60.0), (length, width), degrees))
    cv2.fillPoly(mask, [np.round(corners * 256).astype(np.int32)], 1, shift=8)
    (component,), _ = find_components(mask.astype(np.float32), 0.5)
    assert component.length_px == pytest.approx(length, abs=4)  # whole pixels, border included
    assert component.width_px == pytest.approx(width, abs=4)


def test_pixels_that_touch_over_a_corner_are_one_object() -> None:
    scores = blank()
    for k in range(12):
        scores[10 + k, 10 + k] = 1
    assert find_components(scores, 0.5)[1] == 1


def test_a_pixel_at_the_threshold_counts_and_a_speck_does_not() -> None:
    scores = blank()
    scores[10:12, 10:14] = 0.5
    scores[50:51, 50:57] = 1.0
    components, total = find_components(scores, 0.5)
    assert total == 1
    assert components[0].area_px == 8


def test_the_surest_come_first_and_no_more_than_a_hundred_are_told() -> None:
    scores = blank(300, 300)
    rng = np.random.default_rng(0)
    for k in range(150):
        y, x = divmod(k, 15)
        scores[y * 20 : y * 20 + 6, x * 20 : x * 20 + 6] = rng.uniform(0.5, 1)
    components, total = find_components(scores, 0.5)
    assert total == 150
    assert len(components) == MAX_COMPONENTS
    ranks = [component.score for component in components]
    assert ranks == sorted(ranks, reverse=True)


def test_without_a_scale_there_are_no_millimetres() -> None:
    scores = blank()
    scores[10:20, 10:20] = 1
    (component,), _ = find_components(scores, 0.5)
    assert component.length_mm is component.width_mm is component.area_mm2 is None


def test_an_empty_map_has_no_objects() -> None:
    assert find_components(blank(), 0.5) == ((), 0)
