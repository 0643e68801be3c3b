"""Several processes train as one does: the same losses, the same weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from build_engine.cli.main import main
from build_engine.training import train as training
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.parallel import Parallel
from edge_agent.errors import UsageError
from tests.support.photographs import write_photographs
from tests.support.torchrun import in_two_processes

# build-engine with fewer validation pairs, which would take most of the time
COMMAND = """
import sys
from build_engine.cli.main import main
from build_engine.training import train
train.VALIDATION_PAIRS = 8
sys.exit(main())
"""
ARGUMENTS = ["--width", "0.25", "--no-bf16", "--iterations", "3", "--batch", "4", "--workers", "0"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, Checkpoint, Path]:
    """The same run in one process and in two that torchrun starts."""
    folder = tmp_path_factory.mktemp("parallel")
    command = ["train", "--photographs", str(write_photographs(folder / "photographs")), *ARGUMENTS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "VALIDATION_PAIRS", 8)
        assert main([*command, "--output", str(folder / "one")]) == 0
    (folder / "command.py").write_text(COMMAND)
    printed = in_two_processes([str(folder / "command.py"), *command, "--output", str(folder / "two")])
    assert printed.count("trained:") == 1, "the first process alone says so"
    return Checkpoint.load(folder / "one" / FILE), Checkpoint.load(folder / "two" / FILE), folder


def test_two_processes_have_the_losses_of_one_with_the_same_batch(runs: tuple[Checkpoint, Checkpoint, Path]) -> None:
    one, two, _ = runs
    assert two.history[-1]["loss"] == pytest.approx(one.history[-1]["loss"], rel=1e-5)
    assert two.history[-1]["validation_loss"] == pytest.approx(one.history[-1]["validation_loss"], rel=1e-4)


def test_two_processes_end_with_the_weights_and_statistics_of_one(runs: tuple[Checkpoint, Checkpoint, Path]) -> None:
    one, two, _ = runs
    assert list(one.weights) == list(two.weights)
    for name, value in one.weights.items():
        # Adam divides by the gradient's size: where that is rounding noise, the step is too.
        close = torch.isclose(two.weights[name].double(), value.double(), rtol=1e-3, atol=1e-5)
        assert close.double().mean() > 0.99, name


def test_the_log_says_how_many_processes_trained(runs: tuple[Checkpoint, Checkpoint, Path]) -> None:
    log = (runs[2] / "two" / "train.log").read_text()
    assert re.findall(r"processes=(\d+)", log) == ["2"]


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    assert [list(Parallel(rank, 2).share(4)) for rank in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(UsageError, match=r"--batch 8 cannot be shared by 3 processes; use a multiple of 3"):
        Parallel(0, 3).share(8)
