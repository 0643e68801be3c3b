"""build-engine import: a model that anomalib exported, for the agent."""

from __future__ import annotations

import argparse
from pathlib import Path

from build_engine.cli.numbers import number, whole


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "import",
        help="wrap an ONNX model of anomalib (PatchCore, PaDiM, EfficientAD, …) so that the agent runs it",
        description="Takes what anomalib exported as ONNX, checks its inputs and outputs, and writes a model of kind "
        "single: uint8 in, score map out, all normalisation inside.",
    )
    parser.add_argument("source", type=Path, metavar="ONNX", help="file that anomalib exported")
    parser.add_argument("--output", type=Path, required=True, help="ONNX file to write")
    parser.add_argument("--name", help="of the network, in every result (default: the file's name)")
    parser.add_argument("--version", dest="model_version", default="1", help="version in the metadata")
    parser.add_argument(
        "--size", type=whole(1), nargs=2, metavar=("H", "W"), help="of its pictures, where the file leaves it open"
    )
    parser.add_argument(
        "--threshold",
        type=number(0, 1, above=True),
        default=0.5,
        help="score at which a pixel counts (default: %(default)s, where anomalib's normalisation puts its own)",
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Wrap, and say what was written."""
    from build_engine.anomalib_import import import_model

    output: Path = arguments.output
    height, width = import_model(
        arguments.source,
        output,
        name=arguments.name or arguments.source.stem,
        version=arguments.model_version,
        size=tuple(arguments.size) if arguments.size else None,
        threshold=arguments.threshold,
    )
    print(
        f"{output}: {width} × {height} px, the whole region at once, {output.stat().st_size / 1e6:.1f} MB; "
        "next: edge-agent teach --any-pose, or judge it with build-engine evaluate --one-class"
    )
    return 0
