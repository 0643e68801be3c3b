"""Metrics of pictures and pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from build_engine.evaluation.anomaly import best_f1, judge_maps, pro, table


def masks(count: int = 6, size: int = 48) -> NDArray[np.bool_]:
    """Every second picture has one or two regions."""
    rng = np.random.default_rng(3)
    drawn = np.zeros((count, size, size), np.uint8)
    for number in range(0, count, 2):
        for _ in range(rng.integers(1, 3)):
            x, y = rng.integers(8, size - 8, 2)
            cv2.circle(drawn[number], (int(x), int(y)), int(rng.integers(2, 7)), 1, -1)
    return drawn.astype(np.bool_)


def slow_pro(maps: NDArray[np.float32], truth: NDArray[np.bool_], limit: float) -> float:
    """By its definition, threshold by threshold."""
    regions = []
    for number, mask in enumerate(truth):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += [(number, labels == label) for label in range(1, count)]
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(maps)[::-1]:
        found = maps >= threshold
        rates.append(float(found[~truth].mean()))
        overlaps.append(float(np.mean([found[number][region].mean() for number, region in regions])))
    grid = np.linspace(0, limit, 20001)
    return float(np.trapezoid(np.interp(grid, rates, overlaps), grid) / limit)


def test_a_perfect_map_has_every_figure_at_1() -> None:
    truth = masks()
    report = judge_maps(truth.astype(np.float32), truth.any(axis=(1, 2)), truth, 0.5)
    assert report.image_auroc == report.pixel_auroc == report.f1 == report.iou == report.best_f1 == 1
    assert report.pro == pytest.approx(1)
    assert report.overlap == report.balanced_accuracy == report.best_f1_balanced == 1


def test_calling_all_anomalous_has_a_balanced_accuracy_of_a_half_however_high_its_f1() -> None:
    anomalous = np.array([True] * 9 + [False])
    report = judge_maps(np.full((10, 4, 4), 0.7, np.float32), anomalous, None, 0.5)
    assert report.best_f1 == report.f1 == report.f1_of_all == pytest.approx(18 / 19)
    assert report.best_f1_balanced == report.balanced_accuracy == 0.5


def test_pro_at_the_threshold_is_the_mean_share_of_a_region() -> None:
    truth, maps = np.zeros((2, 8, 8), np.bool_), np.zeros((2, 8, 8), np.float32)
    truth[0, :2, :2] = truth[0, 6:, 6:] = True
    maps[0, 0, :2] = 0.9
    assert judge_maps(maps, truth.any(axis=(1, 2)), truth, 0.5).overlap == 0.25


def test_pro_is_that_of_its_definition() -> None:
    truth = masks()
    noise = np.random.default_rng(0).normal(0, 1, truth.shape).astype(np.float32)
    maps = cv2.GaussianBlur(noise.transpose(1, 2, 0), (0, 0), 1.5).transpose(2, 0, 1) + 0.3 * truth
    maps = np.ascontiguousarray(maps, np.float32)
    assert pro(maps, truth) == pytest.approx(slow_pro(maps, truth, 0.3), abs=2e-3)


def test_a_constant_map_has_a_pro_of_half_its_limit() -> None:
    truth = masks()
    assert pro(np.zeros(truth.shape, np.float32), truth) == pytest.approx(0.15, abs=0.01)


def test_small_regions_weigh_as_much_as_large_ones() -> None:
    truth = np.zeros((1, 60, 60), np.bool_)
    truth[0, 5:35, 5:35] = truth[0, 50:52, 50:52] = True
    large_only = np.zeros(truth.shape, np.float32)
    large_only[0, 5:35, 5:35] = 1
    assert pro(large_only, truth) == pytest.approx(0.5 + 0.5 * 0.15, abs=0.01)


def test_f1_counts_anomalous_as_positive_and_says_what_calling_all_so_gives() -> None:
    anomalous = np.array([True] * 9 + [False])
    maps = np.linspace(0.9, 0.1, 10, dtype=np.float32)[:, None, None]
    report = judge_maps(maps, anomalous, None, 0.85)
    assert report.f1_of_all == pytest.approx(2 * 9 / 19)
    assert report.recall == pytest.approx(1 / 9)
    assert report.precision == 1
    assert report.best_f1 == 1
    assert report.pro is None
    assert "–" in table(report)


def test_equal_scores_are_found_together() -> None:
    scores, actual = np.array([0.5, 0.5, 0.1], np.float32), np.array([True, False, False])
    assert best_f1(scores, actual) == (pytest.approx(2 / 3), 0.5)


def test_a_test_set_without_anomalies_is_refused() -> None:
    with pytest.raises(ValueError, match="good and anomalous"):
        judge_maps(np.zeros((2, 4, 4), np.float32), np.zeros(2, np.bool_), None, 0.5)
