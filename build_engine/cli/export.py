"""build-engine export: a training run as an ONNX model with its card."""

from __future__ import annotations

import argparse
from pathlib import Path

from build_engine.cli.numbers import number, whole


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained network as ONNX, with its card",
        description="Opset 18, uint8 NHWC in, float score map out; checked against PyTorch before it is written.",
    )
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--output", type=Path, required=True, help="ONNX file to write; its card is written beside it")
    parser.add_argument("--version", dest="model_version", default="1", help="version in the metadata")
    parser.add_argument(
        "--threshold",
        type=number(0, 1, above=True),
        default=0.5,
        help="score at which a pixel counts (default: %(default)s)",
    )
    parser.add_argument("--size", type=whole(1), nargs=2, metavar=("H", "W"), default=(480, 640), help="tile in pixels")
    parser.add_argument("--data", default="not named", help="what it was trained on, for the card")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, and say what was written."""
    from build_engine.training import single_checkpoint

    if (arguments.run / single_checkpoint.FILE).exists():
        return _export_single(arguments)
    from build_engine.model_card import write_card
    from build_engine.onnx_export import export
    from build_engine.training.checkpoint import FILE, Checkpoint

    checkpoint = Checkpoint.load(arguments.run / FILE)
    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    difference = export(
        checkpoint.network(),
        output,
        name=checkpoint.settings.network,
        version=arguments.model_version,
        threshold=arguments.threshold,
        size=tuple(arguments.size),
    )
    card = write_card(checkpoint, output, arguments.data)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, differs from PyTorch by at most {difference:.1e}; {card}")
    return 0


def _export_single(arguments: argparse.Namespace) -> int:
    from build_engine.single_export import export_single
    from build_engine.training.single_checkpoint import load_network

    network = load_network(arguments.run)
    output: Path = arguments.output
    output.parent.mkdir(parents=True, exist_ok=True)
    difference = export_single(network, output, version=arguments.model_version, threshold=arguments.threshold)
    size = f"{network.size[1]} × {network.size[0]} px, the whole region at once"
    print(
        f"{output}: {network.name}, {size}, {output.stat().st_size / 1e6:.1f} MB, "
        f"differs from PyTorch by at most {difference:.1e}"
    )
    return 0
