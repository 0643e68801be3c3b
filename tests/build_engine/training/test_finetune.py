"""build-engine finetune, from annotated pairs to a model with its threshold, and what ends it early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from build_engine.cli.main import main
from build_engine.evaluation.detection import Scores
from build_engine.evaluation.registered import choose_threshold
from build_engine.networks.similarity_contrast import PairNetwork, build_network
from build_engine.onnx_export import export
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.data import Batch
from build_engine.training.loop import fit, fresh
from build_engine.training.parallel import Parallel
from build_engine.training.settings import FinetuneSettings
from build_engine.training.start import load_start
from edge_agent.engines import load_engine
from tests.support.boards import write_pairs
from tests.support.torchrun import in_two_processes


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("start") / "tiny.onnx"
    export(build_network("compact", 0.25), file, name="compact", version="1", threshold=0.5, size=(96, 160))
    return file


def command(data: Path, start: Path, output: Path, *more: str) -> list[str]:
    arguments = ["finetune", "--pairs", str(data), "--from", str(start), "--output", str(output), "--crop", "96"]
    return [*arguments, "--batch", "2", "--validate-every", "2", "--jobs", "1", *more]


def test_the_command_leaves_a_model_with_a_threshold_chosen_on_pairs_kept_back(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = write_pairs(tmp_path / "pairs", 4, masks=True), tmp_path / "run"
    assert main(command(data, start, output, "--iterations", "2", "--validation-share", "0.25")) == 0
    assert {"model.onnx", "model.md", "validation.txt", "curves.png", "train.log", FILE} <= {
        file.name for file in output.iterdir()
    }
    info = load_engine(output / "model.onnx").info
    assert (info.network, info.version) == ("compact", "finetuned")
    text = (output / "validation.txt").read_text()
    assert f"chosen: {info.threshold:g}" in text
    assert "3 pairs of pairs, 1 more to validate on" in text
    assert "with 95 % confidence" in text
    card = (output / "model.md").read_text()
    assert "build-engine finetune" in card
    assert f"Threshold {info.threshold:g}, chosen on the pairs kept back" in card
    assert main(command(data, start, output)) == 2
    assert "--resume" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_settings_and_the_pairs_that_it_was_not_trained_on(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = write_pairs(tmp_path / "pairs", 4, masks=True), tmp_path / "run"
    began = ["--iterations", "2", "--validation-share", "0.5", "--seed", "3"]
    assert main(command(data, start, output, *began)) == 0
    first = Checkpoint.load(output / FILE).settings
    resume = ["finetune", "--pairs", str(data), "--output", str(output), "--jobs", "1", "--resume"]
    assert main([*resume, "--batch", "4"]) == 2
    assert "--batch: 4 is not what the run began with, 2" in capsys.readouterr().err
    assert main([*resume, "--iterations", "4"]) == 0
    assert Checkpoint.load(output / FILE).settings == replace(first, iterations=4)
    assert "2 pairs of pairs, 2 more to validate on" in (output / "validation.txt").read_text()
    write_pairs(data, 8, masks=True)
    assert main(resume) == 2
    assert "it may have been trained on them" in capsys.readouterr().err


def test_two_processes_have_the_losses_of_one_with_the_same_batch(tmp_path: Path, start: Path) -> None:
    data = write_pairs(tmp_path / "pairs", 4, masks=True)
    more = ["--iterations", "2", "--validation-share", "0.25", "--no-bf16"]
    assert main(command(data, start, tmp_path / "one", *more)) == 0
    in_two_processes(["-m", "build_engine.cli.main", *command(data, start, tmp_path / "two", *more)])
    one, two = (Checkpoint.load(tmp_path / name / FILE) for name in ("one", "two"))
    assert two.history[-1]["loss"] == pytest.approx(one.history[-1]["loss"], rel=1e-4)
    assert "processes=2" in (tmp_path / "two" / "train.log").read_text()
    assert (tmp_path / "two" / "model.onnx").is_file()


def test_what_a_run_left_can_be_started_from(tmp_path: Path) -> None:
    first = run([0.5, 0.8], tmp_path)
    network, name = load_start(tmp_path)
    assert name == "compact"
    assert (network.state_dict()["stages.1.0.0.weight"] == first.best["stages.1.0.0.weight"]).all()


def test_one_pair_is_refused_because_nothing_would_be_left_to_validate_on(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(write_pairs(tmp_path / "pairs", 1), start, tmp_path / "run")) == 2
    assert "1 pairs cannot be divided" in capsys.readouterr().err


def test_a_list_without_a_pair_is_refused(tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pairs.csv").write_text("test,template,boxes\n")
    assert main(command(tmp_path / "pairs.csv", start, tmp_path / "run")) == 2
    assert "pairs.csv: holds no pair" in capsys.readouterr().err


def test_a_crop_that_does_not_suit_the_network_is_refused(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(write_pairs(tmp_path / "pairs", 2), start, tmp_path / "run"), "--crop", "100"]) == 2
    assert "--crop must be a multiple of 32, but got 100" in capsys.readouterr().err


def run(figures: list[float], output: Path, **changed: int) -> Checkpoint:
    """A run whose validations give these figures, one an iteration."""
    settings = replace(
        FinetuneSettings(network="compact", width=0.25, iterations=len(figures), batch=1, bf16=False, validate_every=1),
        **changed,
    )
    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8))
    batch: Batch = pictures, pictures, torch.zeros(1, 1, 64, 64)
    told = iter(figures)

    def validate(network: PairNetwork) -> dict[str, float]:
        return {"f1": next(told)}

    class Silent:
        def update(self, iteration: int, loss: float) -> None: ...

    batches = [batch] * len(figures)
    return fit(fresh(settings), batches, validate, output, parallel=Parallel(), progress=Silent())


def test_a_run_ends_when_the_validation_gets_no_better_and_keeps_the_best(tmp_path: Path) -> None:
    last = run([0.5, 0.8, 0.7, 0.8, 0.6, 0.9, 0.9], tmp_path, patience=3)
    assert last.iteration == 5
    second = run([0.5, 0.8], tmp_path, patience=0)
    for name, value in last.network().state_dict().items():
        if value.dtype.is_floating_point and "running" not in name:
            torch.testing.assert_close(value, second.averaged[name], rtol=0.2, atol=0.01)
    assert any((last.best[name] != last.averaged[name]).any() for name in last.best)


def test_the_figures_of_a_run_are_those_of_the_weights_that_it_keeps(tmp_path: Path) -> None:
    assert run([0.5, 0.8, 0.7], tmp_path, patience=0).figures() == {"f1": 0.8}


def test_a_run_without_patience_goes_to_its_end(tmp_path: Path) -> None:
    assert run([0.9, 0.1, 0.1, 0.1, 0.1], tmp_path, patience=0).iteration == 5


def test_of_thresholds_about_as_good_the_present_one_is_chosen_or_else_the_lowest() -> None:
    def scores(f1: float) -> Scores:
        return Scores(1, 1, 1, f1, f1, f1, f1, f1, 0.5, ())

    f1 = {0.1: 0.95, 0.2: 0.9895, 0.3: 0.99, 0.4: 0.9, 0.5: 0.99}
    judged = {threshold: scores(value) for threshold, value in f1.items()}
    assert choose_threshold(judged, 0.4) == 0.2
    assert choose_threshold(judged, 0.3) == 0.3
    assert choose_threshold(dict.fromkeys(f1, scores(1.0)), 0.3) == 0.3
