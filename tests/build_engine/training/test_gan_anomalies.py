"""Pseudo-anomalies of small pictures, and the jitter of good ones."""

from __future__ import annotations

import pytest
import torch

from build_engine.training.gan_anomalies import VISIBLE, blobs, jitter, lines, rectangles, spoil


def pictures(channels: int = 1, size: int = 28) -> torch.Tensor:
    """Discs of a random place on black."""
    torch.manual_seed(0)
    steps = torch.linspace(-1, 1, size)
    away = (steps[:, None] - torch.rand(64, 1, 1) * 0.4) ** 2 + (steps[None] - torch.rand(64, 1, 1) * 0.4) ** 2
    return (away < 0.2).float()[:, None].expand(64, channels, size, size).contiguous()


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 64)])
def test_most_pictures_are_spoilt_visibly_and_stay_pictures(channels: int, size: int) -> None:
    good = pictures(channels, size)
    before = good.clone()
    spoilt, visible = spoil(good)
    assert torch.equal(good, before)
    assert spoilt.shape == good.shape
    assert spoilt.min() >= 0
    assert spoilt.max() <= 1
    assert visible.float().mean() > 0.5
    difference = (spoilt - good).abs().mean((1, 2, 3))
    assert (difference[visible] > VISIBLE).all()
    assert (difference[~visible] <= VISIBLE).all()


@pytest.mark.parametrize("region", [rectangles, blobs])
def test_a_region_is_about_as_large_as_was_asked_for(region) -> None:  # type: ignore[no-untyped-def]
    share = region(pictures(), 0.3, 0.4).mean((1, 2, 3))
    assert share.median() == pytest.approx(0.35, abs=0.15)


def test_a_line_is_there_and_leaves_most_of_the_picture() -> None:
    share = lines(pictures()).mean((1, 2, 3))
    assert (share > 0).float().mean() > 0.95
    assert share.max() < 0.5


def test_every_second_good_picture_is_left_as_sharp_as_it_is() -> None:
    good = pictures()
    same = (jitter(good) == good).flatten(1).all(1).float().mean()
    assert 0.2 < same < 0.8
