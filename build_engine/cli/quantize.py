"""build-engine quantize: an FP16 or INT8 model of a float32 one, calibrated on pairs of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from build_engine.cli.annotated import read_source
from build_engine.cli.numbers import number, whole
from edge_agent.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from build_engine.precision import PrecisionReport, TileSet

SOURCES = ("pairs", "deeppcb", "photographs", "one_class")
INT8, MIXED, HALF = "int8", "int8+fp16", "fp16"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "quantize",
        help="write a model in INT8 or FP16",
        description="Writes precision into the graph, for TensorRT and ONNX Runtime alike, and says what became of "
        "each layer. INT8 needs pairs of pictures like those of the line: they are registered and cut into tiles as "
        "the agent does it, and the ranges of all tensors are measured on them. A model that judges one picture "
        "needs good pictures instead.",
    )
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--pairs", type=Path, metavar="LIST|FOLDER", help="pairs as build-engine evaluate reads them")
    data.add_argument("--deeppcb", type=Path, metavar="LIST", help="list of DeepPCB, or its folder")
    data.add_argument(
        "--photographs", type=Path, metavar="FOLDER", help="make synthetic pairs of any photographs, as for training"
    )
    data.add_argument(
        "--one-class",
        type=Path,
        metavar="SOURCE",
        help="for models that judge one picture: good pictures, as build-engine train --data reads them",
    )
    parser.add_argument(
        "--normal", type=whole(0), metavar="DIGIT", help="of --one-class: the digit of MNIST that is good"
    )
    parser.add_argument("--model", type=Path, metavar="ONNX", help="float32 (default: the one of the package)")
    parser.add_argument("--output", type=Path, required=True, metavar="ONNX", help="model to write")
    parser.add_argument("--precision", choices=(INT8, MIXED, HALF), default=MIXED, help="default: %(default)s")
    parser.add_argument(
        "--method",
        choices=("auto", "minmax", "entropy", "percentile"),
        default="auto",
        help="how a range is chosen; auto tries all and takes the best (default: %(default)s)",
    )
    parser.add_argument(
        "--float-share",
        type=number(0, 1),
        default=0.1,
        metavar="SHARE",
        help="share of the arithmetic that may stay out of int8 where int8 costs accuracy; 0 tries no layer "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--tiles", type=whole(1), default=200, metavar="N", help="most tiles or good pictures (default: %(default)s)"
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="use N pairs drawn at random (default: all)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of what is drawn (default: %(default)s)")
    parser.add_argument("--threads", type=whole(0), default=0, help="of ONNX Runtime (default: its own choice)")
    parser.add_argument("--report", type=Path, metavar="JSON", help="write the report with histograms too")
    parser.add_argument("--json", action="store_true", help="print the report as JSON instead of the table")
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Quantise; the report to stdout, everything else to stderr."""
    from build_engine.precision import to_fp16, write_report
    from build_engine.precision.report import table
    from edge_agent.engines.artifact import shipped_model

    sources = [f"--{name.replace('_', '-')}" for name in SOURCES if getattr(arguments, name)]
    model = arguments.model or shipped_model()
    if arguments.precision == HALF:
        if sources:
            raise UsageError(f"FP16 measures no ranges and needs no {sources[0]}", mend="leave it out")
        report = to_fp16(model, arguments.output)
    else:
        if not sources:
            mend = "add --pairs, --deeppcb, --photographs or --one-class"
            raise UsageError("INT8 needs pictures to measure ranges on", mend=mend)
        report = _int8(arguments, model)
    if arguments.report:
        write_report(report, arguments.report)
    print(json.dumps(report.to_dict()) if arguments.json else table(report))
    print(_compiled(report, arguments.output), file=sys.stderr)
    return 0


def _int8(arguments: argparse.Namespace, model: Path) -> PrecisionReport:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from build_engine.precision import Budget, rounds_half, to_int8

    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        tiles = _tiles(arguments, model, bar)
        tasks = {
            "tiles": bar.add_task("measuring ranges", total=len(tiles)),
            "layers": bar.add_task("trying layers", total=None),
        }
        report = to_int8(
            model,
            tiles,
            arguments.output,
            method=arguments.method,
            mixed_fp16=arguments.precision == MIXED,
            budget=Budget(float_share=arguments.float_share),
            threads=arguments.threads,
            progress=lambda what, count: bar.update(tasks[what], completed=count),
        )
    if arguments.precision == MIXED and not rounds_half():
        print("this ONNX Runtime cuts off where it quantises half: use int8+fp16 on TensorRT alone", file=sys.stderr)
    for name, reason in tiles.skipped:
        print(f"not used: {name}: {reason}", file=sys.stderr)
    return report


def _tiles(arguments: argparse.Namespace, model: Path, bar: Progress) -> TileSet:
    from build_engine.evaluation.evaluation import choose
    from build_engine.precision import tiles_of_good, tiles_of_pairs, tiles_of_photographs
    from build_engine.synthesis.photographs import Photographs
    from edge_agent.engines import load_engine

    engine = load_engine(model, threads=1)
    size, kind = (engine.info.height, engine.info.width), engine.info.kind
    engine.close()
    if (kind == "single") != bool(arguments.one_class):
        what = "judges one picture" if kind == "single" else "compares with a template"
        mend = "give good pictures with --one-class" if kind == "single" else "give pairs with --pairs or --photographs"
        raise UsageError(what, where=str(model), mend=mend)
    if arguments.one_class:
        limit = min(arguments.limit or arguments.tiles, arguments.tiles)
        return tiles_of_good(arguments.one_class, size, arguments.normal, limit=limit, seed=arguments.seed)
    if arguments.photographs:
        count = min(arguments.limit or arguments.tiles, arguments.tiles)
        return tiles_of_photographs(Photographs(arguments.photographs), size, count, arguments.seed)
    pairs = choose(read_source(arguments), arguments.limit, arguments.seed)
    task = bar.add_task("registering pairs", total=len(pairs))
    return tiles_of_pairs(
        pairs,
        size,
        limit=arguments.tiles,
        seed=arguments.seed,
        progress=lambda done: bar.update(task, completed=done),
    )


def _compiled(report: PrecisionReport, file: Path) -> str:
    """What NVIDIA's compiler makes of the file, where it is installed."""
    import onnx

    from build_engine.precision.nvidia_compiler import available, shares

    if not available():
        return "not checked with NVIDIA's compiler: pip install tensorrt-rtx-cu12 (build-engine compile will tell too)"
    _, by_type = shares(onnx.load(file), {layer.name: layer.macs for layer in report.layers})
    told = ", ".join(f"{share:.1%} in {kind}" for kind, share in by_type.items())
    return f"NVIDIA's compiler runs {told} of the arithmetic; wrote {file}"
