"""One evaluation from data to figures and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.curve import draw_curve
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX
from build_engine.evaluation.inspecting import scene, verdict_on_pair
from build_engine.evaluation.inspector_pool import inspect_each, tracked
from build_engine.evaluation.report import Report, detections, summarise
from build_engine.evaluation.worst_cases import worst_cases
from build_engine.evaluation.worst_sheet import draw_worst
from edge_agent.engines import load_engine
from edge_agent.errors import StorageError
from edge_agent.images import write_image
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.inspector import Inspector

WORST_CASES = 12
CURVE, WORST = "precision-recall.png", "worst-cases.png"


def choose(pairs: Sequence[AnnotatedPair], limit: int | None, seed: int) -> tuple[AnnotatedPair, ...]:
    """At most `limit` of the pairs, drawn at random by `seed`, in their own order; all for None."""
    if limit is None or limit >= len(pairs):
        return tuple(pairs)
    drawn = np.random.default_rng(seed).permutation(len(pairs))[:limit]
    return tuple(pairs[index] for index in sorted(drawn))


def evaluate(
    pairs: Sequence[AnnotatedPair],
    model: Path | None,
    *,
    threshold: float | None,
    jobs: int,
    margin_px: float = ANNOTATION_MARGIN_PX,
) -> tuple[Report, list[Inspection]]:
    """Inspect all pairs and compare with what is annotated. Progress goes to stderr.

    Args:
        pairs: with at least one annotated box for figures that mean something.
        model: file of the model; None is the shipped one.
        threshold: score at which components are cut; None is the model's own.
        jobs: number of processes.
        margin_px: by which the annotated boxes stand off their objects on each side.

    Returns:
        The figures, and one inspection a pair without its arrays.

    Raises:
        ModelError: the model cannot be loaded.
        ImageError, RecipeError: a pair cannot be read.
    """
    engine = load_engine(model, threads=1)
    engine.close()
    work = partial(verdict_on_pair, threshold=threshold)
    inspections = list(tracked(inspect_each(work, pairs, model=model, jobs=jobs), len(pairs), "inspecting"))
    return summarise(pairs, inspections, engine.info, threshold, margin_px), inspections


def write_pictures(
    pairs: Sequence[AnnotatedPair],
    inspections: Sequence[Inspection],
    report: Report,
    model: Path | None,
    *,
    threshold: float | None,
    title: str,
    folder: Path,
) -> tuple[Path, Path]:
    """Write the precision-recall curve and the sheet of the worst cases into `folder`; give their paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder ({error.strerror})", where=str(folder)) from error
    curve, worst = folder / CURVE, folder / WORST
    draw_curve(report.official, report.oracle, title, curve)

    images = [detections(pair, inspection) for pair, inspection in zip(pairs, inspections, strict=True)]
    false, missed = worst_cases(images, WORST_CASES, report.margin_px)
    inspector = Inspector(load_engine(model, threads=0))
    again = lru_cache(maxsize=4)(lambda index: scene(inspector, pairs[index], threshold))
    heading = f"{title}: AP {report.official.average_precision:.3f}, best F1 {report.official.best_f1:.3f} (official)"
    write_image(worst, draw_worst(false, missed, again, heading, report.margin_px))
    return curve, worst
