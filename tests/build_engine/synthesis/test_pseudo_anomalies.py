"""Confetti and CutPaste on good pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from build_engine.synthesis.pseudo_anomalies import VISIBLE, confetti, cut_paste, pseudo_anomaly
from tests.support.one_class import ring


def test_the_mask_marks_what_can_be_seen() -> None:
    good = cv2.GaussianBlur(ring(0, 128), (0, 0), 2)
    for seed in range(30):
        spoilt, mask = pseudo_anomaly(good, np.random.default_rng(seed))
        changed = np.abs(spoilt.astype(int) - good).max(axis=2) >= VISIBLE
        assert mask.any()
        assert (changed & (mask > 0)).sum() >= 0.3 * mask.sum()
        assert (changed & (mask == 0)).sum() <= 0.5 * changed.sum() + 20


def test_the_good_picture_is_left_as_it_is_and_a_seed_gives_the_same_anomaly() -> None:
    good = ring(0)
    before = good.copy()
    first, second = (pseudo_anomaly(good, np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(good, before)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("make", [confetti, cut_paste])
@pytest.mark.parametrize("shape", [(16, 16, 3), (40, 200, 3)])
def test_pictures_of_any_shape_are_taken(make, shape: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for seed in range(10):
        spoilt = make(picture, np.random.default_rng(seed))
        assert spoilt.shape == shape
        assert spoilt.dtype == np.uint8


def test_a_picture_of_one_colour_does_not_hang() -> None:
    spoilt, _ = pseudo_anomaly(np.full((32, 32, 3), 128, np.uint8), np.random.default_rng(0))
    assert spoilt.shape == (32, 32, 3)
