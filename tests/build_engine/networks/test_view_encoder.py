"""The encoder of CNN + GAN: its eight views, and what good pictures settle."""

from __future__ import annotations

import math

import pytest
import torch

from build_engine.networks.view_encoder import MIRRORS, TURNS, VIEWS, ViewEncoder, information, laid
from build_engine.training.encoder import settle


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    """Bright corners, each a little different: turned or mirrored they look otherwise."""
    noise = torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(seed)) * 0.2
    noise[:, :, :3, :6] += 0.7
    return noise


def test_the_eight_views_are_all_ways_to_lay_a_square_picture() -> None:
    picture = torch.arange(9.0).view(1, 1, 3, 3)
    views = [laid(picture, view) for view in range(VIEWS)]
    for turn in range(TURNS):
        assert torch.equal(views[turn], torch.rot90(picture, turn, (2, 3)))
        assert torch.equal(views[TURNS + turn], torch.rot90(picture.flip(3), turn, (2, 3)))
    assert len({tuple(view.flatten().tolist()) for view in views}) == TURNS * MIRRORS


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (30, 3), (64, 3), (128, 3)])
def test_vectors_of_every_size_of_picture_have_a_length_of_at_most_the_sphere(size: int, channels: int) -> None:
    encoder = ViewEncoder(size, channels, width=4, latent=16).eval()
    assert encoder.judge.in_features == 16 * 4 * 4
    lengths = encoder(torch.rand(2, channels, size, size)).norm(dim=1)
    assert lengths.shape == (2,)
    assert (lengths > 0).all()
    assert (lengths <= 4 + 1e-4).all()


def test_being_good_turned_and_mirrored_are_told_apart_in_nats() -> None:
    encoder = ViewEncoder(12, 1, width=2, latent=8).eval()
    with torch.no_grad():
        encoder.judge.weight.zero_()
        encoder.judge.bias.zero_()
        good, turn, mirror = encoder.unlikelihoods(encoder.of_views(pictures(3)))
    assert good[0].item() == pytest.approx(math.log(9 / 8), abs=1e-5)
    assert turn[0].item() == pytest.approx(math.log(TURNS), abs=1e-5)
    assert mirror[0].item() == pytest.approx(math.log(MIRRORS), abs=1e-5)
    assert information(math.log(TURNS), TURNS) == pytest.approx(0)
    assert information(0.0, TURNS) == 1
    assert information(9.0, TURNS) == 0


def test_what_good_pictures_do_not_tell_apart_does_not_count_and_others_are_nearer_the_origin() -> None:
    torch.manual_seed(0)
    encoder = ViewEncoder(12, 1, width=2, latent=8)
    with torch.no_grad():
        encoder.judge.weight.mul_(0)
        encoder.judge.bias.zero_()
    settle(encoder, pictures(400), pictures(60, seed=1))
    assert encoder.shares.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert encoder.weights[1] > 0
    with torch.no_grad():
        good = encoder(pictures(60, seed=2)).norm(dim=1)
        strange = encoder(1 - pictures(60, seed=3)).norm(dim=1)
    assert good.median() > 0.9 * 8**0.5
    assert strange.max() < good.min()


def test_a_density_that_holds_for_no_picture_but_its_own_does_not_count() -> None:
    torch.manual_seed(0)
    encoder = ViewEncoder(12, 1, width=2, latent=8)
    settle(encoder, pictures(200), 1 - pictures(40, seed=1))
    assert encoder.weights[1] == 0
