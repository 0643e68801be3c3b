"""build-engine train: train a pair network on synthetic differences."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from build_engine.cli import train_single
from build_engine.cli.numbers import number, whole
from build_engine.cli.run_settings import run_settings
from build_engine.training.settings import MIXTURES, TrainingSettings
from edge_agent.errors import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    default = TrainingSettings()
    parser = subparsers.add_parser(
        "train",
        help="train a network: on synthetic pairs made of photographs, or on good pictures alone",
        description="Writes a checkpoint, train.log and curves.png into --output; --resume goes on where it stopped.",
    )
    parser.add_argument("--photographs", type=Path, help="of networks for pairs: folder of photographs, any subject")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output, with its settings")
    parser.add_argument(
        "--network", choices=("compact", "paper", *train_single.NETWORKS), help=f"(default: {default.network})"
    )
    parser.add_argument(
        "--width",
        type=number(0, 16, above=True),
        help="factor on all channel numbers (default: 1; of cnn-gan 0.25 of the published 64)",
    )
    parser.add_argument(
        "--from",
        dest="begin_with",
        type=Path,
        metavar="ONNX|RUN",
        help="of networks for pairs: begin with an exported float model or a run (default: random weights)",
    )
    parser.add_argument("--norm", choices=("instance", "layer", "batch"), help="(default: the network's own)")
    parser.add_argument("--recipe", choices=MIXTURES, help=f"mixture of pairs (default: {default.recipe})")
    parser.add_argument("--iterations", type=whole(1), help="(default: the network's own)")
    parser.add_argument("--batch", type=whole(1), help="(default: the network's own)")
    parser.add_argument("--learning-rate", type=number(0, above=True), help="(default: the network's own)")
    parser.add_argument("--weight-decay", type=number(0), help="(default: the network's own)")
    parser.add_argument(
        "--smoothing",
        type=number(0, 0.5),
        help=f"label smoothing, of networks for pairs (default: {default.smoothing})",
    )
    parser.add_argument("--seed", type=whole(0), help="(default: the network's own)")
    parser.add_argument(
        "--no-bf16", dest="bf16", action="store_const", const=False, help="float32 even where bfloat16 is faster"
    )
    parser.add_argument("--threads", type=whole(0), default=0, help="threads of PyTorch (default: its own choice)")
    parser.add_argument("--workers", type=whole(0), default=1, help="processes that make pairs (default: %(default)s)")
    train_single.add_arguments(parser)
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Train with a progress bar on stderr; started by torchrun, as one of several processes."""
    if arguments.begin_with and (arguments.network or arguments.width or arguments.norm):
        raise UsageError("--from brings its own network, width and norm", mend="leave out --network, --width, --norm")
    if arguments.network in train_single.NETWORKS:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UsageError(f"--network {arguments.network} trains in one process", mend="start it without torchrun")
        return train_single.run(arguments)
    if arguments.photographs is None:
        network = arguments.network or TrainingSettings.network
        raise UsageError(f"--network {network} needs --photographs", mend="name a folder of photographs")
    import torch

    from build_engine.cli.progress import log_to, training_bar
    from build_engine.training.checkpoint import FILE
    from build_engine.training.curves import draw_curves
    from build_engine.training.parallel import joined, left
    from build_engine.training.start import load_start
    from build_engine.training.train import train

    output: Path = arguments.output
    if not arguments.resume and (output / FILE).exists():
        raise UsageError("holds a run already", where=str(output), mend="name another folder or add --resume")
    start = load_start(arguments.begin_with) if arguments.begin_with and not arguments.resume else None
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    settings = run_settings(arguments, TrainingSettings, output / FILE)
    parallel = joined()
    try:
        if parallel.first:
            output.mkdir(parents=True, exist_ok=True)
            log_to(output / "train.log")
        with training_bar(settings.iterations, shown=parallel.first) as bar:
            last = train(
                arguments.photographs,
                output,
                settings,
                workers=arguments.workers,
                resume=arguments.resume,
                progress=bar,
                parallel=parallel,
                start=start,
            )
    finally:
        left()
    if parallel.first:
        draw_curves(last.history, output / "curves.png")
        figures = {key: round(value, 4) for key, value in last.history[-1].items()}
        print(f"trained: {figures}; {output / FILE}, curves.png, train.log")
    return 0
