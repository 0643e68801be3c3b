"""What the feature fusion network is trained on."""

from __future__ import annotations

import numpy as np
import pytest

from build_engine.training.fusion_data import Samples, any_pose, moved
from tests.support.one_class import ring


@pytest.fixture(scope="module")
def rings() -> np.ndarray:
    return np.stack([ring(seed, 256) for seed in range(4)])


def test_half_of_a_batch_is_spoilt_and_a_step_gives_the_same_batch_again(rings: np.ndarray) -> None:
    samples = Samples(rings, crop=128, whole=0.0, turned=False, published=False, seed=1)
    images, masks = samples.batch(7, 8)
    assert images.shape == (8, 128, 128, 3)
    assert masks.shape == (8, 1, 16, 16)
    assert [bool(mask.any()) for mask in masks] == [False, True] * 4
    again, _ = samples.batch(7, 8)
    other, _ = samples.batch(8, 8)
    assert images.equal(again)
    assert not images.equal(other)


def test_some_steps_see_whole_pictures_with_as_many_pixels(rings: np.ndarray) -> None:
    samples = Samples(rings, crop=128, whole=0.5, turned=True, published=False, seed=1)
    shapes = {tuple(samples.batch(step, 8)[0].shape) for step in range(8)}
    assert shapes == {(8, 128, 128, 3), (2, 256, 256, 3)}


def test_as_published_good_pictures_are_shown_as_they_are(rings: np.ndarray) -> None:
    samples = Samples(rings, crop=256, whole=1.0, turned=False, published=True, seed=1)
    images, masks = samples.batch(0, 4)
    for image, mask in zip(images.numpy(), masks, strict=True):
        assert bool(mask.any()) != any(np.array_equal(image, good) for good in rings)


def test_half_of_the_pictures_keep_their_sharpness(rings: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(100, 156, (256, 256, 3), dtype=np.uint8)
    spreads = [float(moved(noise, 128, np.random.default_rng(seed), turned=True).std()) for seed in range(40)]
    sharp = np.array(spreads) > 0.92 * float(noise.std())
    assert 10 <= sharp.sum() <= 30


def test_parts_in_any_pose_are_told_from_parts_that_lie_alike(rings: np.ndarray) -> None:
    bar = np.full((256, 256, 3), 200, np.uint8)
    bar[110:140, 40:200] = 30
    turned = np.stack([moved(bar, 256, np.random.default_rng(seed), turned=True) for seed in range(8)])
    assert any_pose(turned)
    assert not any_pose(np.stack([bar] * 4))
    assert not any_pose(rings)
