"""The figures of one evaluation, as a table for people and as JSON for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX, ImageDetections, Scores, official, paper_oracle
from edge_agent.engines import ModelInfo
from edge_agent.inspection.inspection import Inspection, Verdict


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes:
        model: what was judged.
        pairs, clean_pairs: how many were inspected, and how many of them have no annotated box.
        threshold: score at which the components were cut.
        margin_px: by which detected boxes were grown, as far as the annotators stood off the objects.
        official, oracle: figures by DeepPCB's protocol, and by the paper's that ranks by the answer.
        verdicts: how often the product said OK, NG and ERROR.
        clean_ng: clean pairs that it called NG.
        escaped: pairs with an annotated box that it called OK.
        errors: how often each reason of an ERROR was given.
        median_ms: of each stage of the inspection, on one thread a worker.
    """

    model: ModelInfo
    pairs: int
    clean_pairs: int
    threshold: float
    margin_px: float
    official: Scores
    oracle: Scores
    verdicts: dict[str, int]
    clean_ng: int
    escaped: int
    errors: dict[str, int]
    median_ms: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; without the points of the curves."""
        plain = asdict(self)
        for protocol in ("official", "oracle"):
            del plain[protocol]["curve"]
        return plain


def detections(pair: AnnotatedPair, inspection: Inspection) -> ImageDetections:
    """The components of an inspection beside the annotated boxes. An ERROR has none: its objects count as missed."""
    return ImageDetections(
        np.array([component.bbox_px for component in inspection.components], np.float64).reshape(-1, 4),
        np.array([component.score for component in inspection.components], np.float64),
        np.array(pair.boxes, np.float64).reshape(-1, 4),
    )


def summarise(
    pairs: Sequence[AnnotatedPair],
    inspections: Sequence[Inspection],
    model: ModelInfo,
    threshold: float | None,
    margin_px: float = ANNOTATION_MARGIN_PX,
) -> Report:
    """Figures over all pairs, each with its inspection; a threshold of None is the model's own."""
    images = [detections(pair, inspection) for pair, inspection in zip(pairs, inspections, strict=True)]
    judged = [(bool(pair.boxes), inspection.verdict) for pair, inspection in zip(pairs, inspections, strict=True)]
    verdicts = Counter(verdict for _, verdict in judged)
    errors = Counter(
        reason.code
        for inspection in inspections
        if inspection.verdict is Verdict.ERROR
        for reason in inspection.reasons
    )
    stages = {stage: None for inspection in inspections for stage in inspection.timing_ms}
    return Report(
        model=model,
        pairs=len(pairs),
        clean_pairs=sum(not has_object for has_object, _ in judged),
        threshold=model.threshold if threshold is None else threshold,
        margin_px=margin_px,
        official=official(images, margin_px),
        oracle=paper_oracle(images),
        verdicts={verdict.value: verdicts[verdict] for verdict in Verdict},
        clean_ng=judged.count((False, Verdict.NG)),
        escaped=judged.count((True, Verdict.OK)),
        errors=dict(errors.most_common()),
        median_ms={
            stage: round(float(np.median([i.timing_ms[stage] for i in inspections if stage in i.timing_ms])), 2)
            for stage in stages
        },
    )


def table(report: Report) -> str:
    """The report in plain text, some 20 lines."""
    rows = [
        ("", "official", "paper's oracle *"),
        *(
            (label, f"{getattr(report.official, name):.4f}", f"{getattr(report.oracle, name):.4f}")
            for label, name in (
                ("average precision", "average_precision"),
                ("precision", "precision"),
                ("recall", "recall"),
                ("F1", "f1"),
                ("best F1 over confidence", "best_f1"),
                ("  at confidence", "best_confidence"),
            )
        ),
        ("annotated boxes", str(report.official.annotated), str(report.oracle.annotated)),
        ("detected boxes", str(report.official.detected), str(report.oracle.detected)),
        ("matched", str(report.official.matched), str(report.oracle.matched)),
    ]
    lines = [f"{label:<26}{first:>10}{second:>18}" for label, first, second in rows]
    with_objects = report.pairs - report.clean_pairs
    lines += ["", f"{model_name(report.model)}, score threshold {report.threshold:g}, {report.pairs} pairs"]
    lines.append("verdicts: " + ", ".join(f"{verdict} {count}" for verdict, count in report.verdicts.items()))
    if with_objects:
        lines.append(f"called OK with an object on it: {report.escaped} of {with_objects} pairs")
    if report.clean_pairs:
        lines.append(f"called NG though clean: {report.clean_ng} of {report.clean_pairs} pairs")
    if report.errors:
        lines.append("errors: " + ", ".join(f"{code} {count}" for code, count in report.errors.items()))
    if report.median_ms:
        stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in report.median_ms.items())
        lines.append(f"median ms a pair, one thread: {stages}")
    lines += [
        "",
        f"official: IoU > 0.33, each detected box grown by {report.margin_px:g} px, confidence of the detector;",
        "matched greedily by confidence, each annotated box once. Precision, recall, F1: of all components found.",
        "* annotated boxes shrunk to half, confidence = IoU with the annotation: ranks by the answer. Only to compare",
        "  with the figure of the paper, never a claim.",
    ]
    return "\n".join(lines)


def model_name(model: ModelInfo) -> str:
    """Network, version and the head of the digest, for people."""
    return f"{model.network} {model.version} ({model.precision}, sha256 {model.digest[:12]}…)"
