from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from build_engine.cli.main import main
from build_engine.onnx_export import export, weights_digest
from build_engine.training import loop
from build_engine.training import train as training
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.settings import TrainingSettings
from build_engine.training.start import load_start
from build_engine.training.train import train
from edge_agent.errors import ModelError
from tests.support.photographs import write_photographs

TINY = TrainingSettings(width=0.25, iterations=4, batch=2, warm_up=1, bf16=False, validate_every=2)


class Recorder:
    def __init__(self) -> None:
        self.losses: list[float] = []

    def update(self, iteration: int, loss: float) -> None:
        assert iteration == len(self.losses) + 1
        self.losses.append(loss)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "VALIDATION_PAIRS", 8)
    monkeypatch.setattr(loop, "REPORT_EVERY", 2)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs"))


def run(photographs: Path, output: Path, settings: TrainingSettings, *, resume: bool = False) -> Checkpoint:
    output.mkdir(exist_ok=True)

    class Silent:
        def update(self, iteration: int, loss: float) -> None: ...

    return train(photographs, output, settings, workers=0, resume=resume, progress=Silent())


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(photographs: Path, tmp_path: Path) -> None:
    settings = replace(TINY, decay=0.25)
    whole = run(photographs, tmp_path / "whole", settings)
    run(photographs, tmp_path / "parts", replace(settings, iterations=2, decay=1e-9))
    parts = run(photographs, tmp_path / "parts", settings, resume=True)
    assert parts.iteration == 4
    for name, value in whole.averaged.items():
        torch.testing.assert_close(parts.averaged[name], value, rtol=1e-3, atol=1e-5)


def test_training_lowers_the_loss(photographs: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    tmp_path.mkdir(exist_ok=True)
    settings = replace(TINY, iterations=24, batch=4)
    train(photographs, tmp_path, settings, workers=1, resume=False, progress=recorder)
    assert len(recorder.losses) == 24
    assert np.mean(recorder.losses[-8:]) < 0.85 * np.mean(recorder.losses[:8])


def test_a_run_begins_with_what_another_has_learnt(photographs: Path, tmp_path: Path) -> None:
    before = run(photographs, tmp_path / "before", replace(TINY, iterations=24, batch=4)).network()
    file = tmp_path / "before.onnx"
    export(before, file, name="compact", version="test", threshold=0.3, size=(96, 160))
    picture = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 1, 96, 160, 3), np.uint8))
    for start in (tmp_path / "before", file):
        after = tmp_path / f"after-{start.name}"
        command = ["train", "--photographs", str(photographs), "--output", str(after), "--from", str(start)]
        assert main([*command, "--iterations", "1", "--batch", "2", "--learning-rate", "1e-9", "--no-bf16"]) == 0
        begun = Checkpoint.load(after / FILE)
        after_a_step = begun.network()(*picture)  # which has moved the means of the norms a little
        torch.testing.assert_close(after_a_step, before(*picture), rtol=0, atol=1e-2)
        assert begun.settings.start == weights_digest(load_start(start)[0])[:12]
        assert "--from MODEL --iterations 1" in begun.settings.command()


def test_a_network_to_begin_with_cannot_be_another_one(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "--photographs", str(photographs), "--output", str(tmp_path), "--from", str(tmp_path)]
    assert main([*command, "--width", "0.5"]) == 2
    assert "--from brings its own network, width and norm; leave out" in capsys.readouterr().err


def test_the_learning_rate_warms_up_holds_and_ends_at_zero() -> None:
    settings = TrainingSettings(iterations=1000, warm_up=100, decay=0.4, learning_rate=1.0)
    assert settings.rate(0) == pytest.approx(0.01)
    assert settings.rate(99) == settings.rate(599) == 1.0
    assert settings.rate(800) == pytest.approx(0.5)
    assert settings.rate(1000) == 0


def test_a_broken_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / FILE
    with pytest.raises(ModelError, match="no such checkpoint"):
        Checkpoint.load(file)
    for content in (b"", b"PK\x03\x04rubbish", b"rubbish" * 99):
        file.write_bytes(content)
        with pytest.raises(ModelError, match="not a checkpoint"):
            Checkpoint.load(file)


def test_the_command_leaves_checkpoint_log_and_curves_and_refuses_to_overwrite(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    command = ["train", "--photographs", str(photographs), "--output", str(output), "--width", "0.25"]
    command += ["--iterations", "2", "--batch", "2", "--workers", "0"]
    assert main(command) == 0
    assert {file.name for file in output.iterdir()} == {FILE, "train.log", "curves.png"}
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
