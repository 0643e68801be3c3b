"""What is still wrong on DeepPCB: false and missed boxes by board, by kind of defect, by size, by what lies there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.detection import ANNOTATION_MARGIN_PX
from build_engine.evaluation.report import detections
from build_engine.evaluation.worst_cases import Case, worst_cases
from edge_agent.inspection.inspection import Inspection

KINDS = ("open", "short", "mousebite", "spur", "copper", "pin-hole")  # by DeepPCB's numbers, from 1
SIZES_PX = (8, 16, 32)


def still_wrong(pairs: Sequence[AnnotatedPair], inspections: Sequence[Inspection]) -> list[str]:
    """Lines of text on the wrong boxes, by the official protocol.

    Args:
        pairs: of DeepPCB, in its own folders.
        inspections: of each pair one.
    """
    images = [detections(pair, inspection) for pair, inspection in zip(pairs, inspections, strict=True)]
    boxes = sum(len(image.boxes) + len(image.truth) for image in images)
    false, missed = worst_cases(images, each=boxes)
    boards = [pair.test.parent.name for pair in pairs]
    annotated = Counter(kind for pair in pairs for kind in _kinds(pair))
    by_kind = Counter(_kinds(pairs[case.image])[pairs[case.image].boxes.index(case.box)] for case in missed)
    pairs_of, boxes_of = Counter(boards), Counter[str]()
    for board, image in zip(boards, images, strict=True):
        boxes_of[board] += len(image.truth)
    false_of, missed_of = (Counter(boards[case.image] for case in cases) for cases in (false, missed))
    return [
        f"{'still wrong, by board':<24}{'pairs':>8}{'annotated':>12}{'false':>8}{'missed':>9}",
        *(f"{b:<24}{pairs_of[b]:>8}{boxes_of[b]:>12}{false_of[b]:>8}{missed_of[b]:>9}" for b in sorted(pairs_of)),
        "",
        f"false, longer side: {_sizes(false, 0)}",
        f"false: {_touching(false)} touch an annotated box, {len(false) - _touching(false)} lie alone",
        f"missed, longer side without the annotators' margin: {_sizes(missed, ANNOTATION_MARGIN_PX)}",
        f"missed: {_touching(missed)} are touched by a detected box, {len(missed) - _touching(missed)} by none",
        "missed, by kind: " + ", ".join(f"{kind} {by_kind[kind]} of {annotated[kind]}" for kind in KINDS),
    ]


def _kinds(pair: AnnotatedPair) -> list[str]:
    """What each annotated box is, in the order of the boxes: the last number of its line."""
    folder = pair.test.parent
    text = (folder.parent / f"{folder.name}_not" / f"{pair.name}.txt").read_text(encoding="utf-8")
    return [KINDS[int(line.split()[4]) - 1] for line in text.splitlines() if line.strip()]


def _sizes(cases: Iterable[Case], margin: float) -> str:
    """How many are shorter than each of SIZES_PX, and not shorter than the one before."""
    sizes = [max(case.box[2] - case.box[0], case.box[3] - case.box[1]) - 2 * margin for case in cases]
    bounds = (float("-inf"), *SIZES_PX, float("inf"))
    counts = [sum(low <= size < high for size in sizes) for low, high in pairwise(bounds)]
    words = (f"below {SIZES_PX[0]} px", *(f"below {high}" for high in SIZES_PX[1:]), "longer")
    return ", ".join(f"{word} {count}" for word, count in zip(words, counts, strict=True))


def _touching(cases: Iterable[Case]) -> int:
    return sum(case.overlap > 0 for case in cases)
