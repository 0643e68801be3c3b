import pytest
import torch

from build_engine.networks.similarity_contrast import (
    ConvBlock,
    DeconvBlock,
    MaskPrediction,
    build_network,
    count_gmac,
    count_parameters,
)


def random_pair(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pair = torch.randint(0, 256, (2, 2, height, width, 3), dtype=torch.uint8, generator=generator)
    return pair[0], pair[1]


def test_the_paper_network_has_the_published_blocks() -> None:
    network = build_network("paper", 0.05)
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(ConvBlock) == 10
    assert kinds.count(DeconvBlock) == 4
    assert kinds.count(MaskPrediction) == 5
    assert kinds.count(torch.nn.ConvTranspose2d) == 4 + 5  # in the deconv blocks, and five upsamplings of masks


def test_the_paper_network_costs_what_the_published_one_does() -> None:
    assert count_gmac(build_network("paper"), 640, 640) == pytest.approx(65, abs=0.5)


def test_the_default_network_is_small_enough_for_a_jetson() -> None:
    network = build_network("compact")
    assert count_gmac(network, 640, 640) <= 5
    assert count_parameters(network) <= 2_000_000
    assert 10 <= count_gmac(build_network("paper"), 640, 640) / count_gmac(network, 640, 640) <= 20


@pytest.mark.parametrize("name", ["paper", "compact"])
@pytest.mark.parametrize("norm", ["instance", "layer", "batch"])
def test_every_network_gives_a_score_for_every_pixel(name: str, norm: str) -> None:
    network = build_network(name, 0.1, norm).eval()
    test, template = random_pair(480, 640)
    with torch.no_grad():
        score = network(test, template)
    assert score.shape == (2, 480, 640)
    assert score.dtype == torch.float32
    assert 0 <= float(score.min()) <= float(score.max()) <= 1


@pytest.mark.parametrize("name", ["paper", "compact"])
def test_every_weight_is_trained(name: str) -> None:
    network = build_network(name, 0.1).train()
    masks = network.logits(*random_pair(128, 128))
    assert len(masks) == (6 if name == "paper" else 4)
    sum(mask.square().mean() for mask in masks).backward()  # type: ignore[union-attr]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_an_unknown_network_or_norm_is_named() -> None:
    with pytest.raises(ValueError, match="compact"):
        build_network("huge")
    with pytest.raises(ValueError, match="instance"):
        build_network("compact", 1.0, "group")
