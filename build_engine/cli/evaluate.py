"""build-engine evaluate: how good is a model, judged through the product's own inspector."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from build_engine.cli.annotated import annotators_margin, read_source, source_of
from build_engine.cli.numbers import number, whole
from edge_agent.errors import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="judge a model on annotated pairs or labelled pictures",
        description="Runs the inspector of edge-agent over annotated pairs and compares its components with the boxes. "
        "Prints a table; writes the precision-recall curve and a sheet of the worst cases. Models that judge one "
        "picture are run over labelled pictures instead (--one-class).",
    )
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--deeppcb", type=Path, metavar="LIST", help="trainval.txt or test.txt of DeepPCB, or the folder of one of them"
    )
    data.add_argument(
        "--pairs",
        type=Path,
        metavar="LIST|FOLDER",
        help="CSV with the columns test,template,region,mm_per_px,boxes (boxes: 'x0,y0,x1,y1 …' or a .txt or .json "
        "file), or a folder of NAME/test.*, NAME/template.* with objects.json",
    )
    data.add_argument(
        "--simulated", type=whole(1), metavar="N", help="N parts of the simulated camera, of --connectors in turn"
    )
    data.add_argument(
        "--one-class",
        type=Path,
        metavar="SOURCE",
        help="for models that judge one picture: folder in the layout of MVTec AD, or MNIST or CIFAR as npz",
    )
    parser.add_argument(
        "--normal", type=whole(0), metavar="DIGIT", help="of --one-class: the digit of MNIST that is good"
    )
    parser.add_argument(
        "--refine",
        type=whole(1),
        metavar="STEPS",
        help="of --one-class: judge a run of cnn-gan offline, with vectors that so many gradient steps refine; --model "
        "names the folder of the run",
    )
    parser.add_argument(
        "--connectors", default="dsub25,circular37-pins", metavar="NAMES", help="of --simulated (default: %(default)s)"
    )
    parser.add_argument(
        "--share", type=number(0, 1), default=0.5, help="of --simulated: parts with an object (default: %(default)s)"
    )
    parser.add_argument("--model", type=Path, metavar="ONNX", help="default: the one that comes with the package")
    parser.add_argument(
        "--threshold", type=number(0, 1, above=True), metavar="SCORE", help="0..1 (default: the model's own)"
    )
    parser.add_argument(
        "--margin",
        type=number(0),
        metavar="PX",
        help="how far the annotated boxes stand off the objects on each side: detected boxes are grown by it before "
        "they are compared (default: 0; 8 for --deeppcb)",
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="judge N pairs drawn at random (default: all)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of --limit and --simulated (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=whole(1), default=os.cpu_count() or 1, metavar="N", help="processes (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print figures as JSON instead of the table")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/evaluation"), metavar="DIR", help="pictures (default: %(default)s)"
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Judge; figures to stdout, everything else to stderr."""
    if arguments.one_class:
        return _one_class(arguments)
    if arguments.refine:
        raise UsageError("--refine needs --one-class", mend="name labelled pictures and a run of cnn-gan")
    return _simulated(arguments) if arguments.simulated else _annotated(arguments)


def _annotated(arguments: argparse.Namespace) -> int:
    from build_engine.evaluation.evaluation import choose, evaluate, write_pictures
    from build_engine.evaluation.report import table

    source = source_of(arguments)
    pairs = choose(read_source(arguments), arguments.limit, arguments.seed)
    report, inspections = evaluate(
        pairs,
        arguments.model,
        threshold=arguments.threshold,
        jobs=arguments.jobs,
        margin_px=annotators_margin(arguments),
    )
    if arguments.json:
        print(json.dumps({"data": str(source), **report.to_dict()}, ensure_ascii=False))
    else:
        print(table(report))
    pictures = write_pictures(
        pairs,
        inspections,
        report,
        arguments.model,
        threshold=arguments.threshold,
        title=f"{len(pairs)} pairs of {source.name}",
        folder=arguments.output,
    )
    print("pictures: " + ", ".join(map(str, pictures)), file=sys.stderr)
    return 0


def _simulated(arguments: argparse.Namespace) -> int:
    from build_engine.evaluation.simulated import evaluate_parts, simulated_table

    report, _ = evaluate_parts(
        arguments.connectors.split(","),
        arguments.simulated,
        arguments.model,
        seed=arguments.seed,
        share=arguments.share,
        threshold=arguments.threshold,
        jobs=arguments.jobs,
    )
    print(json.dumps(report.to_dict()) if arguments.json else simulated_table(report))
    return 0


def _one_class(arguments: argparse.Namespace) -> int:
    from build_engine.evaluation.anomaly import table
    from build_engine.evaluation.anomaly_sheet import write_sheet
    from build_engine.evaluation.one_class import Judged, judge_model

    if arguments.model is None:
        raise UsageError("--one-class needs --model", mend="name a model that build-engine export wrote")
    if arguments.refine:
        from build_engine.evaluation.refining import judge_refined

        judge: Callable[..., Judged] = partial(judge_refined, steps=arguments.refine)
    else:
        judge = judge_model
    judged = judge(arguments.model, arguments.one_class, normal=arguments.normal, threshold=arguments.threshold)
    if arguments.json:
        print(json.dumps({"data": str(arguments.one_class), "fps": judged.fps, **judged.report.to_dict()}))
    else:
        print(f"{table(judged.report)}\n{'pictures a second, one at a time':<38}{judged.fps:7.1f}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    sheet = write_sheet(judged, arguments.output / "maps.png")
    print(f"pictures: {sheet}", file=sys.stderr)
    return 0
