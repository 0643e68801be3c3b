"""Metrics of detectors that judge one picture: AUROC of pictures and pixels, PRO, IoU, F1 at a stated threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PRO_LIMIT = 0.3  # false positive rate up to which PRO is integrated, as published everywhere
PRO_STEPS = 2000  # thresholds of the curve


@dataclass(frozen=True)
class AnomalyReport:
    """Figures of a test set; anomalous counts as positive.

    Attributes:
        pictures, anomalous: how many.
        image_auroc: of the highest score of each picture.
        threshold: of all figures below that need one.
        precision, recall, f1, balanced_accuracy: of pictures at the threshold.
        best_f1, best_threshold: highest F1 of any threshold, chosen on these very pictures: an upper bound.
        best_f1_balanced: balanced accuracy at that threshold.
        f1_of_all: F1 of calling every picture anomalous: what a figure above has to beat.
        pixel_auroc, pro, overlap, iou, pixel_f1: None where there are no masks; PRO to a false positive rate of 0.3;
            overlap, IoU and F1 of pixels at the threshold, where overlap is PRO at that one threshold: the share of a
            region that is found, averaged over the regions.
        best_pixel_f1: highest F1 of pixels of any threshold.
    """

    pictures: int
    anomalous: int
    image_auroc: float
    threshold: float
    precision: float
    recall: float
    f1: float
    balanced_accuracy: float
    best_f1: float
    best_threshold: float
    best_f1_balanced: float
    f1_of_all: float
    pixel_auroc: float | None = None
    pro: float | None = None
    overlap: float | None = None
    iou: float | None = None
    pixel_f1: float | None = None
    best_pixel_f1: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return asdict(self)


def judge_maps(
    maps: NDArray[np.float32], anomalous: NDArray[np.bool_], masks: NDArray[np.bool_] | None, threshold: float
) -> AnomalyReport:
    """Figures of score maps.

    Args:
        maps: float32 [M, H, W].
        anomalous: bool [M]; both kinds must occur.
        masks: bool [M, H, W], True where anomalous, or None.
        threshold: score at and above which a pixel, and so its picture, is anomalous.

    Raises:
        ValueError: only one kind occurs.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - takes a second to import

    if anomalous.all() or not anomalous.any():
        raise ValueError("a test set must hold good and anomalous pictures")
    highest = maps.reshape(len(maps), -1).max(axis=1)
    found = highest >= threshold
    precision, recall, f1 = precision_recall_f1(found, anomalous)
    best, best_threshold = best_f1(highest, anomalous)
    of_pixels: dict[str, float] = {}
    if masks is not None and masks.any():
        pixels = maps >= threshold
        of_pixels = {
            "pixel_auroc": float(roc_auc_score(masks.ravel(), maps.ravel())),
            "pro": pro(maps, masks),
            "overlap": float(np.mean([(region >= threshold).mean() for region in _regions(maps, masks)])),
            "iou": float((pixels & masks).sum() / max(1, (pixels | masks).sum())),
            "pixel_f1": precision_recall_f1(pixels, masks)[2],
            "best_pixel_f1": best_f1(maps.ravel(), masks.ravel())[0],
        }
    return AnomalyReport(
        pictures=len(maps),
        anomalous=int(anomalous.sum()),
        image_auroc=float(roc_auc_score(anomalous, highest)),
        threshold=threshold,
        precision=precision,
        recall=recall,
        f1=f1,
        balanced_accuracy=balanced_accuracy(found, anomalous),
        best_f1=best,
        best_threshold=best_threshold,
        best_f1_balanced=balanced_accuracy(highest >= best_threshold, anomalous),
        f1_of_all=precision_recall_f1(np.ones_like(anomalous), anomalous)[2],
        **of_pixels,
    )


def precision_recall_f1(found: NDArray[np.bool_], actual: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Of bool arrays of one shape; 0 where nothing was found."""
    hits = int((found & actual).sum())
    total = int(found.sum()) + int(actual.sum())
    return hits / max(1, int(found.sum())), hits / max(1, int(actual.sum())), 2 * hits / max(1, total)


def balanced_accuracy(found: NDArray[np.bool_], actual: NDArray[np.bool_]) -> float:
    """Mean of the shares of both kinds that are told rightly; 0.5 is chance."""
    return float((found[actual].mean() + (~found[~actual]).mean()) / 2)


def best_f1(scores: NDArray[np.float32], actual: NDArray[np.bool_]) -> tuple[float, float]:
    """Highest F1 of any threshold, and that threshold; equal scores are found together."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(actual[order])
    values = 2 * hits / (np.arange(1, len(scores) + 1) + hits[-1])
    values[:-1][ranked[:-1] == ranked[1:]] = 0.0
    best = int(values.argmax())
    return float(values[best]), float(ranked[best])


def pro(maps: NDArray[np.float32], masks: NDArray[np.bool_], limit: float = PRO_LIMIT) -> float:
    """Per-region overlap (Bergmann et al., Uninformed students, CVPR 2020), 0..1.

    The share of each connected anomalous region that is found, averaged over the regions, against the false positive
    rate over all normal pixels; integrated from 0 to `limit` and divided by it.

    Args:
        maps: float32 [M, H, W].
        masks: bool [M, H, W]; at least one pixel anomalous.
        limit: of the false positive rate.
    """
    normal = np.sort(maps[~masks])
    regions = [np.sort(values) for values in _regions(maps, masks)]
    # Thresholds at even steps of the false positive rate: each one's exact rate is computed, ties included.
    positions = np.linspace(len(normal) * (1 - limit), len(normal) - 1, PRO_STEPS).astype(np.int64)
    thresholds = np.unique(np.append(normal[positions.clip(0, len(normal) - 1)], [normal[-1]]))[::-1]
    rates = 1 - np.searchsorted(normal, thresholds, side="left") / len(normal)
    overlaps = np.mean(
        [1 - np.searchsorted(region, thresholds, side="left") / len(region) for region in regions], axis=0
    )
    above = np.mean([1 - np.searchsorted(region, normal[-1], side="right") / len(region) for region in regions])
    rates, overlaps = np.append(0.0, rates), np.append(above, overlaps)
    inside = rates <= limit
    at_limit = float(np.interp(limit, rates, overlaps))
    rates, overlaps = np.append(rates[inside], limit), np.append(overlaps[inside], at_limit)
    return float(np.trapezoid(overlaps, rates) / limit)


def _regions(maps: NDArray[np.float32], masks: NDArray[np.bool_]) -> Sequence[NDArray[np.float32]]:
    """The scores inside each connected anomalous region (8-connected) of all pictures."""
    regions: list[NDArray[np.float32]] = []
    for scores, mask in zip(maps, masks, strict=True):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += [scores[labels == number] for number in range(1, count)]
    return regions


def table(report: AnomalyReport) -> str:
    """The figures as lines of text."""

    def row(name: str, value: float | None) -> str:
        return f"{name:<38}" + ("      –" if value is None else f"{value:7.4f}")

    return "\n".join(
        [
            f"{'pictures (anomalous)':<38}{report.pictures:7d} ({report.anomalous})",
            row("image AUROC", report.image_auroc),
            row("pixel AUROC", report.pixel_auroc),
            row("PRO to a false positive rate of 0.3", report.pro),
            row(f"F1 at threshold {report.threshold:g}", report.f1),
            row("  precision", report.precision),
            row("  recall", report.recall),
            row("  balanced accuracy", report.balanced_accuracy),
            row("best F1 of any threshold", report.best_f1),
            row("  balanced accuracy there", report.best_f1_balanced),
            row("F1 of calling all anomalous", report.f1_of_all),
            row("PRO at the threshold", report.overlap),
            row("IoU of pixels at the threshold", report.iou),
            row("F1 of pixels at the threshold", report.pixel_f1),
            row("best F1 of pixels", report.best_pixel_f1),
        ]
    )
