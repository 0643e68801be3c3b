"""build-engine finetune: train a network on annotated pairs of your own."""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from build_engine.cli.annotated import annotators_margin, read_source, source_of
from build_engine.cli.numbers import number, whole
from build_engine.cli.run_settings import run_settings
from build_engine.training.settings import FinetuneSettings
from edge_agent.errors import UsageError

if TYPE_CHECKING:
    from build_engine.datasets import AnnotatedPair
    from build_engine.datasets.registered import RegisteredPair
    from build_engine.evaluation.detection import Scores
    from build_engine.evaluation.report import Report
    from build_engine.training.checkpoint import Checkpoint
    from build_engine.training.parallel import Parallel

REGISTERED, MODEL, REPORT = "registered", "model.onnx", "validation.txt"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the subcommand."""
    default = FinetuneSettings()
    parser = subparsers.add_parser(
        "finetune",
        help="train a network on annotated pairs",
        description="Starts from the network of the package, keeps a part of the pairs back to validate on, stops when "
        "that gets no better, and writes the best as model.onnx, with a threshold chosen on the pairs kept back, and "
        "its card. --output also gets validation.txt, curves.png, pictures, train.log and checkpoint.pt.",
    )
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--deeppcb", type=Path, metavar="LIST", help="trainval.txt of DeepPCB, or the folder that holds it"
    )
    data.add_argument(
        "--pairs",
        type=Path,
        metavar="LIST|FOLDER",
        help="CSV with the columns test,template,region,mm_per_px,boxes,mask (boxes: 'x0,y0,x1,y1 …' or a .txt or "
        ".json file; mask: an image), or a folder of NAME/test.*, NAME/template.*, NAME/mask.* with objects.json",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output, with its settings")
    parser.add_argument(
        "--from",
        dest="begin_with",
        type=Path,
        metavar="ONNX|RUN",
        help="what to start from: an exported float model, or the folder of a run (default: the package's model)",
    )
    parser.add_argument(
        "--margin",
        type=number(0),
        metavar="PX",
        help="how far the annotated boxes stand off the objects on each side (default: 0; 8 for --deeppcb)",
    )
    parser.add_argument(
        "--validation-share",
        type=number(0, 0.9, above=True),
        metavar="SHARE",
        help=f"of the pairs to validate on (default: {default.validation_share})",
    )
    parser.add_argument(
        "--split",
        choices=("folders", "pairs"),
        help="keep back whole folders of pairs, where they make up that share: other parts than are trained on; or "
        f"single pairs (default: {default.split}; pairs for --deeppcb)",
    )
    for option, kind, text in (
        ("--iterations", whole(1), "at most"),
        ("--patience", whole(0), "validations without a gain after which it ends; 0: never"),
        ("--validate-every", whole(1), "steps between validations"),
        ("--batch", whole(1), "crops a step"),
        ("--crop", whole(64), "side of a sample in pixels"),
        ("--learning-rate", number(0, above=True), "at its highest"),
        ("--weight-decay", number(0), "of AdamW"),
        ("--smoothing", number(0, 0.5), "of the labels"),
        ("--seed", whole(0), "of split, crops and order"),
    ):
        name = option[2:].replace("-", "_")
        parser.add_argument(option, type=kind, help=f"{text} (default: {getattr(default, name):g})")
    parser.add_argument(
        "--no-bf16", dest="bf16", action="store_const", const=False, help="float32 even where bfloat16 is faster"
    )
    parser.add_argument("--threads", type=whole(0), default=0, help="threads of PyTorch (default: its own choice)")
    parser.add_argument("--workers", type=whole(0), default=0, help="processes that cut crops (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=whole(1), default=os.cpu_count() or 1, metavar="N", help="processes that register and judge"
    )
    parser.set_defaults(main=run)


def run(arguments: argparse.Namespace) -> int:
    """Register, train, choose the threshold, export, judge."""
    import torch

    from build_engine.cli.progress import log_to, training_bar
    from build_engine.training.checkpoint import FILE
    from build_engine.training.finetune import finetune
    from build_engine.training.parallel import joined, left
    from build_engine.training.start import load_start
    from edge_agent.engines.artifact import shipped_model

    output: Path = arguments.output
    if not arguments.resume and (output / FILE).exists():
        raise UsageError("holds a run already", where=str(output), mend="name another folder or add --resume")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    parallel = joined()
    try:
        settings = _settings(arguments)
        start = load_start(arguments.begin_with or shipped_model())
        if settings.crop % start[0].multiple:
            raise UsageError(f"--crop must be a multiple of {start[0].multiple}, but got {settings.crop}")
        if parallel.first:
            output.mkdir(parents=True, exist_ok=True)
            log_to(output / "train.log")
        held_back, training, validation = _data(arguments, settings, parallel)
        settings = _bound_to(settings, held_back, output)
        with training_bar(settings.iterations, shown=parallel.first) as bar:
            last = finetune(
                start,
                training,
                validation,
                output,
                settings,
                workers=arguments.workers,
                resume=arguments.resume,
                progress=bar,
                parallel=parallel,
            )
    finally:
        left()
    if parallel.first:
        _finish(arguments, settings, last, held_back, training, validation)
    return 0


def _settings(arguments: argparse.Namespace) -> FinetuneSettings:
    from build_engine.training.checkpoint import FILE

    if not arguments.resume:
        arguments.margin = annotators_margin(arguments)
        arguments.split = arguments.split or ("pairs" if arguments.deeppcb else FinetuneSettings.split)
    return run_settings(arguments, FinetuneSettings, arguments.output / FILE)


def _bound_to(settings: FinetuneSettings, held_back: Sequence[AnnotatedPair], output: Path) -> FinetuneSettings:
    """The settings with the pairs kept back. Raises UsageError where a run that is resumed had kept back others."""
    names = hashlib.sha256("\n".join(pair.name for pair in held_back).encode()).hexdigest()[:12]
    if settings.held_back not in ("", names):
        raise UsageError(
            "the pairs to validate on are not those that the run had kept back: it may have been trained on them",
            where=str(output),
            mend="give the pairs that it began with, or begin a run in another folder",
        )
    return replace(settings, held_back=names)


def _data(
    arguments: argparse.Namespace, settings: FinetuneSettings, parallel: Parallel
) -> tuple[list[AnnotatedPair], list[RegisteredPair], list[RegisteredPair]]:
    """The pairs kept back, and both parts registered: by the first process; the others read what it has written."""
    from build_engine.datasets.registering import read_index, register_all
    from build_engine.datasets.splitting import split

    everything = read_source(arguments)
    folder = arguments.output / REGISTERED
    if parallel.first:
        for line in register_all(everything, folder, settings.margin, jobs=arguments.jobs).refused:
            print(f"left out, {line}")
    parallel.agree(True)  # the others wait here until the arrays are written
    registered = {pair.name: pair for pair in read_index(folder)[1].pairs}
    usable = [pair for pair in everything if pair.name in registered]
    training, held_back = split(
        usable, settings.validation_share, settings.seed, whole_folders=settings.split == "folders"
    )
    return list(held_back), [registered[p.name] for p in training], [registered[p.name] for p in held_back]


def _finish(
    arguments: argparse.Namespace,
    settings: FinetuneSettings,
    last: Checkpoint,
    held_back: list[AnnotatedPair],
    training: list[RegisteredPair],
    validation: list[RegisteredPair],
) -> None:
    from build_engine.evaluation.evaluation import evaluate, write_pictures
    from build_engine.evaluation.registered import TILE, choose_threshold
    from build_engine.evaluation.report import table
    from build_engine.model_card import write_card
    from build_engine.onnx_export import export
    from build_engine.training.curves import draw_curves

    output: Path = arguments.output
    draw_curves(last.history, output / "curves.png")
    model = output / MODEL
    network, name = last.network(), last.settings.network

    def write(file: Path, threshold: float) -> None:
        export(network, file, name=name, version="finetuned", threshold=threshold, size=TILE)

    scores = _scores(write, validation, settings.margin, output)
    threshold = choose_threshold(scores, _threshold_before(arguments))
    write(model, threshold)
    source = source_of(arguments)
    counts = f"{len(training)} pairs of {source.name}, {len(validation)} more to validate on"
    assert isinstance(last.settings, FinetuneSettings)
    lines = ["threshold      AP       P       R      F1"] + [
        f"{at:9.2f}  {figures.average_precision:.4f}  {figures.precision:.4f}  {figures.recall:.4f}  {figures.f1:.4f}"
        for at, figures in scores.items()
    ]
    report, inspections = evaluate(held_back, model, threshold=None, jobs=arguments.jobs, margin_px=settings.margin)
    text = "\n".join([counts, "", *lines, "", f"chosen: {threshold:g}. The product with it on the same pairs:", ""])
    text += f"{table(report)}\n\n{_how_sure(report.official)}"
    results = f"Threshold {threshold:g}, chosen on the pairs kept back. On those, which flatters: {_in_short(report)}"
    card = write_card(last, model, f"{counts}; started from weights {last.settings.start}…", results)
    (output / REPORT).write_text(text + "\n", encoding="utf-8")
    title = f"{len(held_back)} validation pairs of {source.name}"
    write_pictures(held_back, inspections, report, model, threshold=None, title=title, folder=output)
    print(text)
    print(f"\n{model}, {card.name}, {REPORT}, curves.png, precision-recall.png, worst-cases.png")


def _scores(
    write: Callable[[Path, float], None], validation: list[RegisteredPair], margin: float, output: Path
) -> dict[float, Scores]:
    """Figures of the exported model at each threshold. The run has no model.onnx until its threshold is chosen."""
    from build_engine.evaluation.registered import THRESHOLDS, scores_by_threshold
    from edge_agent.engines import load_engine

    with tempfile.TemporaryDirectory(dir=output) as folder:
        aside = Path(folder) / MODEL
        write(aside, THRESHOLDS[0])
        engine = load_engine(aside)
        scores = scores_by_threshold(engine, validation, THRESHOLDS, margin)
        engine.close()
    return scores


def _threshold_before(arguments: argparse.Namespace) -> float:
    """Of the model that the run started from; where that was a run, of the shipped one."""
    from edge_agent.engines import load_engine

    start: Path | None = arguments.begin_with
    engine = load_engine(start if start and start.suffix == ".onnx" else None)
    engine.close()
    return engine.info.threshold


def _in_short(report: Report) -> str:
    figures = report.official
    return f"AP {figures.average_precision:.4f}, precision {figures.precision:.4f}, recall {figures.recall:.4f}."


def _how_sure(figures: Scores) -> str:
    """What so many objects prove: the exact 95 % interval of the share that is found."""
    from scipy.stats import binomtest

    if not figures.annotated:
        return "no object on the pairs kept back: nothing is known of what it finds"
    bounds = binomtest(figures.matched, figures.annotated).proportion_ci(0.95, method="exact")
    return (
        f"{figures.matched} of {figures.annotated} objects found: so many prove, with 95 % confidence, that it finds "
        f"{bounds.low:.1%} to {bounds.high:.1%} of their like"
    )
