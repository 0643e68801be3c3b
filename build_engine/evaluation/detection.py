"""How good a set of detected boxes is: IoU, matching, average precision, precision, recall, F1.

Matching is greedy by confidence: within an image the detections are taken from the most to the least confident, and
each takes the annotated box with which its IoU is highest among those still free, if that IoU is above the
threshold. So each annotated box is matched once, and a second detection of the same object is a false one.

Two protocols judge the same detections:

official      DeepPCB's own: IoU > 0.33, confidence of the detector. Each detected box is grown by 8 px, because the
              annotators stood about 8 px off the defect on each side: one constant for every method.
paper oracle  The published evaluation of Wang et al. 2023: the annotated boxes are shrunk to half their size around
              their centre, and the confidence of a detection *is its IoU with the annotation*. That ranks by the
              answer. It is here to stand beside the paper's figure and must not be used for a claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
Floats = NDArray[np.float64]

IOU_THRESHOLD = 0.33
ANNOTATION_MARGIN_PX = 8.0


@dataclass(frozen=True)
class ImageDetections:
    """What was detected on one image, and what is there.

    Attributes:
        boxes: float64 [N, 4], x0, y0, x1, y1 in pixels.
        confidence: float64 [N].
        truth: float64 [M, 4], the annotated boxes.
    """

    boxes: Boxes
    confidence: Floats
    truth: Boxes

    def __post_init__(self) -> None:
        for name, array in (("boxes", self.boxes), ("truth", self.truth)):
            if array.ndim != 2 or array.shape[1] != 4:
                raise ValueError(f"{name} must be [N, 4], but got {list(array.shape)}")
        if self.confidence.shape != (len(self.boxes),):
            raise ValueError(f"confidence must be [{len(self.boxes)}], but got {list(self.confidence.shape)}")


@dataclass(frozen=True)
class Scores:
    """Figures of one protocol over a data set; 0 where one is not defined.

    Attributes:
        annotated, detected, matched: boxes.
        average_precision: sum of the precision at each hit ÷ annotated boxes, detections ranked by confidence. Hits of
            equal confidence all count with the precision after the last of them, so that no order among them matters.
        precision, recall, f1: over all detections, that is at the threshold at which they were made.
        best_f1, best_confidence: the highest F1 when only detections of at least that confidence are kept.
        curve: (confidence, precision, recall) after each distinct confidence, highest first.
    """

    annotated: int
    detected: int
    matched: int
    average_precision: float
    precision: float
    recall: float
    f1: float
    best_f1: float
    best_confidence: float
    curve: tuple[tuple[float, float, float], ...]


def official(images: Sequence[ImageDetections], margin_px: float = ANNOTATION_MARGIN_PX) -> Scores:
    """Figures by DeepPCB's protocol. See the module's text; other annotators have another margin."""
    return score([grown(image, margin_px) for image in images])


def paper_oracle(images: Sequence[ImageDetections]) -> Scores:
    """Figures by the paper's published evaluation, which ranks by the answer. See the module's text."""
    judged = []
    for image in images:
        truth = _shrink_to_half(image.truth)
        overlap = iou(image.boxes, truth)
        confidence = overlap.max(axis=1) if overlap.size else np.zeros(len(image.boxes))
        judged.append(ImageDetections(image.boxes, confidence, truth))
    return score(judged)


def grown(image: ImageDetections, margin_px: float = ANNOTATION_MARGIN_PX) -> ImageDetections:
    """The same image with its detected boxes grown by the annotators' margin on each side."""
    margin = margin_px * np.array([-1.0, -1.0, 1.0, 1.0])
    return ImageDetections(image.boxes + margin, image.confidence, image.truth)


def score(images: Sequence[ImageDetections], iou_threshold: float = IOU_THRESHOLD) -> Scores:
    """Figures over all images, each detection ranked by its confidence among those of all images."""
    hits = np.concatenate([match(image, iou_threshold) >= 0 for image in images] or [np.zeros(0, bool)])
    confidence = np.concatenate([image.confidence for image in images] or [np.zeros(0)])
    annotated = sum(len(image.truth) for image in images)

    order = np.argsort(-confidence, kind="stable")
    confidence, hits = confidence[order], hits[order]
    last_of_equals = (
        np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1) if len(hits) else np.zeros(0, int)
    )
    matched_so_far = np.cumsum(hits)[last_of_equals]
    precision = matched_so_far / (last_of_equals + 1)
    recall = matched_so_far / max(annotated, 1)
    f1 = 2 * matched_so_far / (last_of_equals + 1 + annotated) if annotated else np.zeros(len(precision))
    best = int(f1.argmax()) if len(f1) else -1
    return Scores(
        annotated=annotated,
        detected=len(hits),
        matched=int(hits.sum()),
        average_precision=float((precision * np.diff(matched_so_far, prepend=0)).sum() / max(annotated, 1)),
        precision=float(precision[-1]) if len(hits) else 0.0,
        recall=float(recall[-1]) if len(hits) else 0.0,
        f1=float(f1[-1]) if len(hits) else 0.0,
        best_f1=float(f1[best]) if len(hits) else 0.0,
        best_confidence=float(confidence[last_of_equals[best]]) if len(hits) else 0.0,
        curve=tuple(
            (float(c), float(p), float(r))
            for c, p, r in zip(confidence[last_of_equals], precision, recall, strict=True)
        ),
    )


def match(image: ImageDetections, iou_threshold: float = IOU_THRESHOLD) -> NDArray[np.int64]:
    """Which annotated box each detection takes, greedily by confidence.

    Returns:
        int64 [N]: index into `image.truth`, -1 for a false detection. Detections of equal confidence are taken in the
        order of their coordinates, so the outcome does not depend on the order in which they are given.
    """
    taken_by = np.full(len(image.boxes), -1, np.int64)
    truth_order = np.lexsort(image.truth.T[::-1]) if len(image.truth) else np.zeros(0, np.int64)
    overlap = iou(image.boxes, image.truth[truth_order])
    if not overlap.size:
        return taken_by
    for detection in np.lexsort((*image.boxes.T[::-1], -image.confidence)):
        candidate = int(overlap[detection].argmax())
        if overlap[detection, candidate] > iou_threshold:
            taken_by[detection] = truth_order[candidate]
            overlap[:, candidate] = 0.0
    return taken_by


def iou(first: Boxes, second: Boxes) -> Floats:
    """Intersection over union of each box with each: float64 [len(first), len(second)]."""
    corner_low = np.maximum(first[:, None, :2], second[None, :, :2])
    corner_high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = np.clip(corner_high - corner_low, 0.0, None).prod(axis=2)
    union = _area(first)[:, None] + _area(second)[None, :] - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))


def _area(boxes: Boxes) -> Floats:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))


def _shrink_to_half(boxes: Boxes) -> Boxes:
    quarter = (boxes[:, 2:] - boxes[:, :2]) / 4
    return np.concatenate([boxes[:, :2] + quarter, boxes[:, 2:] - quarter], axis=1)
