from __future__ import annotations

import numpy as np
import pytest

from calibration.threshold.choice import Choice, choose

NONE = np.zeros((0, 3))


def chosen(clean: list[float], bad: list[list[float]] | None = None, **other: object) -> Choice:
    """Of thresholds 0.2, 0.4, 0.6 (or others) and a limit of 5 px; ten clean parts with the same longest objects."""
    present = other.get("present", 0.4)
    thresholds = other.get("thresholds", (0.2, 0.4, 0.6))
    assert isinstance(present, float)
    assert isinstance(thresholds, tuple)
    parts = NONE if bad is None else np.array(bad)
    highest = other.get("highest", 0.8)
    assert isinstance(highest, float)
    return choose(np.array([clean] * 10), parts, thresholds, (present, 5.0), 0.01, 1.0, highest)


def test_of_several_thresholds_the_one_that_finds_most_bad_parts_is_chosen() -> None:
    choice = chosen([9.0, 3.0, 0.0], [[9.0, 8.0, 8.0], [9.0, 8.0, 2.0]], present=0.6)
    assert (choice.threshold, choice.limit) == (0.4, 5.0)
    assert choice.found is not None
    assert choice.found.count == 2


def test_the_limit_is_raised_at_the_threshold_where_that_finds_most() -> None:
    choice = chosen([130.0, 60.0, 7.0], [[140.0, 70.0, 30.0], [90.0, 50.0, 25.0]])
    assert (choice.threshold, choice.limit) == (0.6, 8.0)


def test_the_limit_is_raised_too_where_the_present_one_would_miss_bad_parts() -> None:
    choice = chosen([9.0, 7.0, 3.0], [[30.0, 20.0, 0.0], [30.0, 20.0, 9.0]])
    assert (choice.threshold, choice.limit) == (0.4, 8.0)
    assert choice.false_rejects.count == 0


def test_among_equals_the_smallest_limit_then_the_present_threshold_then_the_lowest() -> None:
    bad = [[200.0, 200.0, 200.0]]
    assert chosen([50.0, 9.0, 9.0], bad).limit == 10.0
    assert chosen([3.0, 3.0, 3.0], bad).threshold == 0.4
    assert chosen([9.0, 9.0, 9.0], bad, thresholds=(0.2, 0.4, 0.45), present=0.45).threshold == 0.45
    assert chosen([50.0, 9.0, 9.0], bad, thresholds=(0.2, 0.4, 0.45), present=0.2).threshold == 0.4


@pytest.mark.parametrize(("present", "expected"), [(0.4, (0.4, 61.0)), (0.9, (0.9, 5.0))])
def test_a_high_threshold_needs_bad_parts_that_show_what_it_loses_or_somebody_who_chose_it(
    present: float, expected: tuple[float, float]
) -> None:
    choice = chosen([130.0, 60.0, 3.0], thresholds=(0.2, 0.4, 0.9), present=present)
    assert (choice.threshold, choice.limit) == expected
    assert chosen([130.0, 60.0, 3.0], [[90.0, 40.0, 30.0]], thresholds=(0.2, 0.4, 0.9)).threshold == 0.9


def test_of_a_network_of_which_nothing_is_known_no_higher_threshold_is_taken_without_bad_parts() -> None:
    assert chosen([130.0, 60.0, 3.0], highest=0.4).threshold == 0.4
    assert chosen([130.0, 60.0, 3.0], [[90.0, 40.0, 30.0]], highest=0.4).threshold == 0.6


@pytest.mark.parametrize(("length", "threshold"), [(17.0, 0.4), (14.0, 0.6)])
def test_a_threshold_at_which_lengths_come_out_shorter_must_allow_a_limit_smaller_by_a_fifth(
    length: float, threshold: float
) -> None:
    assert chosen([50.0, 19.0, length]).threshold == threshold
    assert chosen([50.0, 19.0, length], [[99.0, 99.0, 99.0]]).threshold == threshold


def test_a_raised_limit_is_the_next_step_above_what_must_not_be_rejected() -> None:
    lengths = np.array([[0.15], [0.31], [0.02]])
    choice = choose(lengths, np.zeros((0, 1)), (0.3,), (0.3, 0.1), wished=0.34, step=0.01)
    assert choice.limit == 0.16
    assert choice.false_rejects.count == 1
