from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.inspection.alignment import Aligner, warp
from edge_agent.inspection.alignment_level import moved as moved_points
from edge_agent.inspection.registration import MIN_MATCH
from tests.support.scenes import REGION, connector, motion, moved, noisy, with_object

TEMPLATE = connector()
CORNERS = np.array(REGION)
ALIGNER = Aligner(TEMPLATE, CORNERS)


def residual(found: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance, in pixels, at the region's corners."""
    return float(np.linalg.norm(moved_points(found, CORNERS) - moved_points(truth, CORNERS), axis=1).max())


@given(
    shift=st.tuples(st.floats(-15, 15), st.floats(-15, 15)),
    degrees=st.floats(-3, 3),
    zoom=st.floats(0.98, 1.02),
    gain=st.floats(0.7, 1.15),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_a_moved_turned_and_scaled_part_is_found_to_a_fraction_of_a_pixel(
    shift: tuple[float, float], degrees: float, zoom: float, gain: float, seed: int
) -> None:
    truth = motion(TEMPLATE, shift, degrees, zoom)
    alignment = ALIGNER.align(noisy(moved(TEMPLATE, truth), seed, gain))
    assert residual(alignment.matrix, truth) < 0.25
    assert alignment.match > 0.8


def test_a_part_that_has_not_moved_leaves_the_template_untouched() -> None:
    alignment = ALIGNER.align(noisy(TEMPLATE))
    assert residual(alignment.matrix, np.eye(3)) < 0.05
    aligned, known = warp(TEMPLATE, ALIGNER.align(TEMPLATE), (60, 60, 340, 220))
    np.testing.assert_array_equal(aligned, TEMPLATE[60:220, 60:340])
    assert known.all()


@pytest.mark.parametrize("pitches", [1, -1, 2])
def test_a_row_of_equal_pins_is_not_matched_one_pin_further(pitches: int) -> None:
    truth = motion(
        TEMPLATE, (12.0 * pitches, 0)
    )  # half a pitch and whole ones: the wrong answer is as near as the right
    assert residual(ALIGNER.align(noisy(moved(TEMPLATE, truth))).matrix, truth) < 0.25


@pytest.mark.parametrize("box", [(70, 70, 200, 210), (150, 60, 330, 150)])
def test_a_large_object_pulls_nothing(box: tuple[int, int, int, int]) -> None:
    truth = motion(TEMPLATE, (6.3, -4.1), 1.2)
    alignment = ALIGNER.align(with_object(noisy(moved(TEMPLATE, truth)), box))
    assert residual(alignment.matrix, truth) < 0.4
    assert alignment.match > MIN_MATCH


def test_nothing_in_common_is_a_poor_match() -> None:
    rng = np.random.default_rng(3)
    other = cv2.resize(rng.integers(0, 256, (28, 40, 3), np.uint8), (400, 280), interpolation=cv2.INTER_CUBIC)
    assert ALIGNER.align(other).match < MIN_MATCH - 0.1
    assert ALIGNER.align(np.full_like(TEMPLATE, 128)).match < MIN_MATCH - 0.1


def test_a_plain_template_matches_nothing_and_stays_where_it_is() -> None:
    plain = np.full((200, 300, 3), 90, np.uint8)
    alignment = Aligner(plain, np.array([[0, 0], [300, 0], [300, 200], [0, 200]], float)).align(noisy(plain))
    np.testing.assert_array_equal(alignment.matrix, np.eye(3))
    assert alignment.match < 0.1


def test_the_warped_template_lies_on_the_part() -> None:
    truth = motion(TEMPLATE, (7.5, -5.25), -2.0, 1.015)
    test = moved(TEMPLATE, truth)
    aligned, known = warp(TEMPLATE, ALIGNER.align(test), (80, 80, 320, 200))
    difference = np.abs(aligned.astype(int) - test[80:200, 80:320].astype(int))
    assert known.all()
    assert difference.mean() < 2.5


def test_what_comes_from_outside_the_template_is_marked() -> None:
    truth = motion(TEMPLATE, (20, 0))
    _, known = warp(TEMPLATE, ALIGNER.align(moved(TEMPLATE, truth)), (0, 0, 400, 280))
    assert not known[:, :18].any()
    assert known[:, 22:].all()


def test_a_bent_part_is_followed_and_an_object_on_it_is_not() -> None:
    height, width = TEMPLATE.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent = cv2.remap(TEMPLATE, x + 2.5 * np.sin(x / 60), y + 2 * np.sin(x / 80), cv2.INTER_CUBIC)
    window = (60, 60, 340, 220)

    def mean_difference(test: np.ndarray, where: np.ndarray) -> float:
        aligned, _ = warp(TEMPLATE, ALIGNER.align(test), window)
        return float(np.abs(aligned.astype(int) - test[60:220, 60:340].astype(int)).max(axis=2)[where].mean())

    inside = np.ones((160, 280), bool)
    aligner_without = ALIGNER.align(bent)
    assert aligner_without.field is not None
    assert mean_difference(bent, inside) < 6
    box = (150, 120, 190, 160)
    under_object = np.zeros((160, 280), bool)
    under_object[62:98, 92:128] = True
    assert mean_difference(with_object(bent, box), under_object) > 100
    assert mean_difference(with_object(bent, box), ~under_object) < 12


def test_what_the_picture_does_not_fix_stays_where_it_was() -> None:
    rng = np.random.default_rng(5)
    columns = cv2.GaussianBlur(rng.normal(0, 160, (1, 400)), (9, 1), 0) + 128
    traces = np.repeat(np.repeat(columns.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), 300, axis=0)
    whole = np.array([[0, 0], [400, 0], [400, 300], [0, 300]], np.float64)
    for seed in range(3):
        alignment = Aligner(noisy(traces, 100), whole).align(noisy(moved(traces, motion(traces, (4, 0))), seed))
        displacement = moved_points(alignment.matrix, whole) - whole
        np.testing.assert_allclose(displacement[:, 0], 4, atol=0.5)
        assert np.abs(displacement[:, 1]).max() < 1.5
