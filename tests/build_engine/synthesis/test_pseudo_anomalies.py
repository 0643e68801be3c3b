"""Confetti, CutPaste and damage of the part on good pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from build_engine.synthesis.local_defects import bend, chip, graft, place_on_part, scrape, shade, smear
from build_engine.synthesis.pseudo_anomalies import VISIBLE, confetti, cut_paste, pseudo_anomaly
from tests.support.one_class import ring


def test_the_mask_marks_what_can_be_seen() -> None:
    good = cv2.GaussianBlur(ring(0, 128), (0, 0), 2)
    for seed in range(30):
        spoilt, mask = pseudo_anomaly(good, np.random.default_rng(seed))
        changed = np.abs(spoilt.astype(int) - good).max(axis=2) >= VISIBLE
        assert mask.any()
        assert (changed & (mask > 0)).sum() >= 0.3 * mask.sum() - 2  # gaps of two pixels are closed
        assert (changed & (mask == 0)).sum() <= 0.5 * changed.sum() + 20


def test_the_good_picture_is_left_as_it_is_and_a_seed_gives_the_same_anomaly() -> None:
    good = ring(0)
    before = good.copy()
    first, second = (pseudo_anomaly(good, np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(good, before)
    assert np.array_equal(first, second)


def test_a_picture_without_colour_gets_anomalies_without_colour_and_a_coloured_one_of_all_colours() -> None:
    coloured = ring(0, 128)
    grey = cv2.cvtColor(cv2.cvtColor(coloured, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    for seed in range(10):
        spoilt, mask = pseudo_anomaly(grey, np.random.default_rng(seed))
        assert mask.any()
        assert (np.ptp(spoilt, axis=2) == 0).all()
    saturation = [np.ptp(pseudo_anomaly(coloured, np.random.default_rng(seed))[0], axis=2).max() for seed in range(10)]
    assert max(saturation) > 100


@pytest.mark.parametrize("make", [confetti, cut_paste])
@pytest.mark.parametrize("shape", [(16, 16, 3), (40, 200, 3)])
def test_pictures_of_any_shape_are_taken(make, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for seed in range(10):
        spoilt = make(picture, np.random.default_rng(seed))
        assert spoilt.shape == shape
        assert spoilt.dtype == np.uint8


@pytest.mark.parametrize("damage", [graft, bend, smear, shade, scrape, chip])
@pytest.mark.parametrize("shape", [(32, 32, 3), (40, 200, 3), (128, 128, 3)])
def test_damage_is_local_whatever_the_shape(damage, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    before = picture.copy()
    touched = 0
    for seed in range(20):
        spoilt = damage(picture, min(shape[:2]), np.random.default_rng(seed))
        assert spoilt.shape == shape
        assert spoilt.dtype == np.uint8
        share = (spoilt != picture).any(axis=2).mean()
        assert share < 0.6
        touched += share > 0
    assert touched >= 15
    assert np.array_equal(picture, before)


def test_most_damage_stands_on_the_part_not_on_the_table() -> None:
    picture = np.full((128, 128, 3), 150, np.uint8)
    picture[40:80, 30:60] = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    rng = np.random.default_rng(0)
    x, y = np.array([place_on_part(picture, rng) for _ in range(200)]).T
    on_part = (x > 20) & (x < 70) & (y > 30) & (y < 90)
    assert 0.8 < on_part.mean() < 1.0


def test_a_picture_of_one_colour_does_not_hang() -> None:
    spoilt, _ = pseudo_anomaly(np.full((32, 32, 3), 128, np.uint8), np.random.default_rng(0))
    assert spoilt.shape == (32, 32, 3)
