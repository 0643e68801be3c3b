"""What `build-engine train` does for the networks that judge one picture: feature-fusion and cnn-gan."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from build_engine.cli.numbers import whole
from edge_agent.errors import UsageError

NETWORKS = ("feature-fusion", "cnn-gan")
BACKBONES = ("efficientnet-lite0", "efficientnet-lite2", "resnet50")
SIZES = (28, 30, 64, 128)
PUBLISHED_WIDTH = 64
FEW = 50  # good pictures, of which a tenth sets the limit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those that the networks for pairs do not have."""
    group = parser.add_argument_group(
        "networks that judge one picture", f"--network {' or '.join(NETWORKS)}: trained on good pictures alone"
    )
    group.add_argument(
        "--data", type=Path, metavar="SOURCE", help="folder of good pictures or with train/good, MNIST or CIFAR as npz"
    )
    group.add_argument("--normal", type=whole(0), metavar="DIGIT", help="the digit of MNIST that is good")
    group.add_argument("--backbone", choices=BACKBONES, help=f"of feature-fusion (default: {BACKBONES[0]})")
    group.add_argument(
        "--as-published",
        action="store_true",
        help="feature-fusion with the paper's settings: resnet50, all of it trained, SGD, 200 epochs, its data alone",
    )
    group.add_argument("--weights", type=Path, metavar="PTH", help="of the backbone (default: those of its package)")
    group.add_argument(
        "--size", type=int, choices=SIZES, help="of cnn-gan's pictures (default: 28 or 30 for npz files, else 64)"
    )
    group.add_argument("--encoder-iterations", type=whole(1), metavar="N", help="of cnn-gan, after the generator's")


def run(arguments: argparse.Namespace) -> int:
    """Train with a progress bar on stderr."""
    import torch

    from build_engine.training import single_checkpoint
    from build_engine.training.curves import draw_losses

    if arguments.data is None:
        raise UsageError(f"--network {arguments.network} needs --data", mend="name a folder of good pictures")
    output: Path = arguments.output
    if not arguments.resume and (output / single_checkpoint.FILE).exists():
        raise UsageError("holds a run already", where=str(output), mend="name another folder or add --resume")
    state = single_checkpoint.load(output) if arguments.resume else None
    if state and state["network"] != arguments.network:
        raise UsageError(f"holds a run of {state['network']}", where=str(output), mend="name another folder")
    output.mkdir(parents=True, exist_ok=True)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    history: list[dict[str, float]] = []

    def save(state: dict[str, Any]) -> None:
        history[:] = state["history"]
        single_checkpoint.save(state, output)

    with _logged(output / "train.log"), _Bar() as bar:
        train = _fusion if arguments.network == "feature-fusion" else _gan
        count = train(arguments, state, save, bar.tell)
    draw_losses(history, output / "curves.png")
    if count < FEW:
        what = f"only {count} good pictures: the limit of good scores is a guess"
        print(f"{what}; train on some hundred", file=sys.stderr)
    where = output / single_checkpoint.FILE
    print(f"trained {arguments.network} on {count} good pictures: {where}, train.log, curves.png")
    return 0


def _fusion(arguments: argparse.Namespace, state: dict[str, Any] | None, save: Any, tell: Any) -> int:
    from dataclasses import replace

    from build_engine.datasets.one_class import good_pictures
    from build_engine.networks.feature_fusion import SIZE
    from build_engine.training.fusion import FusionSettings, FusionTraining

    pictures = good_pictures(arguments.data, (SIZE, SIZE), arguments.normal)
    names = ("backbone", "iterations", "batch", "learning_rate", "weight_decay", "seed")
    if state:
        training = FusionTraining.restored(state, arguments.iterations)
    else:
        settings = FusionSettings.published(len(pictures)) if arguments.as_published else FusionSettings()
        training = FusionTraining.fresh(replace(settings, **_given(arguments, names)), arguments.weights)
    training.run(pictures, save, tell)
    return len(pictures)


def _gan(arguments: argparse.Namespace, state: dict[str, Any] | None, save: Any, tell: Any) -> int:
    from dataclasses import replace

    from build_engine.datasets.one_class import good_pictures, is_grey, npz_size
    from build_engine.training.gan import GanSettings
    from build_engine.training.gan_detector import DetectorSettings, restore_settings, train_detector

    if state:
        settings = restore_settings(state)
        pictures = good_pictures(arguments.data, (settings.gan.size,) * 2, arguments.normal)
        gan = replace(settings.gan, **_given(arguments, ("iterations",)))
    else:
        size = arguments.size or npz_size(arguments.data) or 64
        pictures = good_pictures(arguments.data, (size, size), arguments.normal)
        settings = DetectorSettings()
        gan = GanSettings(size=size, channels=1 if is_grey(pictures) else 3)
        if arguments.width:
            gan = replace(gan, width=max(1, round(PUBLISHED_WIDTH * arguments.width)))
        gan = replace(gan, **_given(arguments, ("iterations", "batch", "learning_rate", "seed")))
    encoder = settings.encoder
    if arguments.encoder_iterations:
        encoder = replace(encoder, iterations=arguments.encoder_iterations)
    train_detector(DetectorSettings(gan, encoder), state, pictures, save, tell)
    return len(pictures)


def _given(arguments: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """What the user said; the rest is the network's own default."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


class _Bar:
    """A progress bar with a stage's name."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("loss {task.fields[loss]:.4f}"), disable=not sys.stderr.isatty())
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, stage: str, done: int, total: int, loss: float) -> None:
        """After every step."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, loss=loss)
        self._bar.update(self._tasks[stage], completed=done, loss=loss)


@contextmanager
def _logged(file: Path) -> Iterator[None]:
    """What the training logs goes into the file, and no longer when it has ended."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("build_engine")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
