"""The first half of an inspection: quality gate and registration. It needs no engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.engines.engine import ModelInfo
from edge_agent.inspection import quality, tiles
from edge_agent.inspection.alignment import Aligner, Window, warp
from edge_agent.inspection.alignment_level import moved
from edge_agent.inspection.inspection import Inspection, Reason, Verdict
from edge_agent.inspection.recipe import Recipe, region_polygon
from edge_agent.inspection.timing import Timing

MIN_MATCH = 0.3  # agreement after registration; the same part has 0.55 and more, two different ones up to 0.1
MIN_VISIBLE = 0.95  # share of the region that must lie inside the frame
MIN_SHARED = 0.8  # of the whole image, where no region is named: what both pictures show is inspected
HALO = 16  # pixels around the region that the network sees too


@dataclass(frozen=True, eq=False)
class Registered:
    """A frame that may be judged, with the template warped onto it; both cut to a window around the region.

    Attributes:
        image: BGR uint8 [H, W, 3], the full frame.
        recipe: what the part should look like.
        window: x0, y0, x1, y1 of the cut in the frame.
        test, template: BGR uint8 [h, w, 3].
        others: the recipe's further templates, likewise.
        outside: bool [h, w], True where nothing is looked for.
        doubt: why OK must not be said of this part, "" where it may; what is found on it counts all the same.
        timing_ms: duration of each stage so far.
        cut: test and template cut for a network; None where it is not known yet which one will look.
    """

    image: NDArray[np.uint8]
    recipe: Recipe
    window: Window
    test: NDArray[np.uint8]
    template: NDArray[np.uint8]
    others: tuple[NDArray[np.uint8], ...]
    outside: NDArray[np.bool_]
    doubt: str
    timing_ms: dict[str, float]
    cut: tiles.CutPair | None = None


class Registrar:
    """Registers parts. Keeps what it has worked out for the last recipe."""

    def __init__(self) -> None:
        self._prepared: _Prepared | None = None

    def register(
        self,
        image: NDArray[np.uint8],
        recipe: Recipe,
        *,
        previous_digest: str | None = None,
        model: ModelInfo | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> Registered | Inspection:
        """Quality gate and registration; see `Inspector.inspect`. An Inspection, verdict ERROR, where it ends here.

        Args:
            model: what will look at the part, as far as that is known: its tiles are cut here then.
        """
        timing = Timing(clock)
        try:
            with timing.stage("quality"):
                _check_shape(image, recipe)
                prepared = self._prepare(recipe)
                _check_quality(image, prepared, previous_digest)
            with timing.stage("alignment"):
                registered = _registered(image, prepared, timing.stages)
                if model is None:
                    return registered
                cut = tiles.cut_pair(model, registered.test, registered.template, recipe.scales)
                return replace(registered, cut=cut)
        except _RefusedError as refused:
            return Inspection(Verdict.ERROR, (refused.reason,), timing_ms=timing.stages)

    def _prepare(self, recipe: Recipe) -> _Prepared:
        if self._prepared is None or self._prepared.recipe is not recipe:
            polygon = region_polygon(recipe)
            window, mask = _mask(polygon, recipe.template.shape[:2])
            x0, y0, x1, y1 = window
            measured = quality.measure(recipe.template[y0:y1, x0:x1], mask)
            others = tuple(_laid_on_template(other, recipe, polygon, n) for n, other in enumerate(recipe.others, 2))
            aligner = Aligner(recipe.template, polygon)
            self._prepared = _Prepared(recipe, polygon, window, mask, measured, aligner, others)
        return self._prepared


@dataclass(frozen=True)
class _Prepared:
    """What depends on the recipe alone."""

    recipe: Recipe
    polygon: NDArray[np.float64]
    window: Window
    mask: NDArray[np.uint8]
    quality: quality.Quality
    aligner: Aligner
    others: tuple[NDArray[np.uint8], ...]


class _RefusedError(Exception):
    """The picture cannot be judged."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.reason = Reason(code, text)


def _check_quality(image: NDArray[np.uint8], prepared: _Prepared, previous_digest: str | None) -> None:
    if previous_digest is not None and quality.digest(image) == previous_digest:
        raise _RefusedError("frozen", "the frame is identical to the one before")
    x0, y0, x1, y1 = prepared.window
    refusal = quality.check(quality.measure(image[y0:y1, x0:x1], prepared.mask), prepared.quality)
    if refusal:
        raise _RefusedError(refusal.code, refusal.text)


def _registered(image: NDArray[np.uint8], prepared: _Prepared, timing_ms: dict[str, float]) -> Registered:
    if not prepared.recipe.register:
        return _unregistered(image, prepared, timing_ms)
    alignment = prepared.aligner.align(image)
    doubt = ""
    if prepared.aligner.plain:
        doubt = "the template shows no edges that would tell this part from another: take one that shows some"
    elif alignment.match < MIN_MATCH:
        raise _RefusedError(
            "not-registered",
            f"the part does not match the template: agreement {alignment.match:.2f}, {MIN_MATCH:.2f} is needed",
        )
    region = moved(alignment.matrix, prepared.polygon - 0.5) + 0.5
    window, mask = _mask(region, image.shape[:2])
    visible = int(np.count_nonzero(mask)) / max(cv2.contourArea(region.astype(np.float32)), 1.0)
    if visible < (MIN_VISIBLE if prepared.recipe.region else MIN_SHARED):
        raise _RefusedError("region-outside", f"only {visible:.0%} of the region is inside the frame")
    x0, y0, x1, y1 = window
    test = image[y0:y1, x0:x1]
    laid = [warp(picture, alignment, window) for picture in (prepared.recipe.template, *prepared.others)]
    unknown = ~laid[0][1]
    if unknown.any():  # the test itself stands there: no difference
        for picture, _ in laid:
            cv2.copyTo(test, unknown.view(np.uint8), picture)
    template, *others = (picture for picture, _ in laid)
    outside = (mask == 0) | unknown
    return Registered(image, prepared.recipe, window, test, template, tuple(others), outside, doubt, timing_ms)


def _unregistered(image: NDArray[np.uint8], prepared: _Prepared, timing_ms: dict[str, float]) -> Registered:
    """The region where the recipe has it, without a halo: the network has learnt to see just the region."""
    window, mask = _mask(prepared.polygon, image.shape[:2], halo=0)
    x0, y0, x1, y1 = window
    template = prepared.recipe.template[y0:y1, x0:x1]
    return Registered(image, prepared.recipe, window, image[y0:y1, x0:x1], template, (), mask == 0, "", timing_ms)


def _laid_on_template(
    other: NDArray[np.uint8], recipe: Recipe, polygon: NDArray[np.float64], number: int
) -> NDArray[np.uint8]:
    """Another template as if it had been photographed where the first one was, BGR uint8 [H, W, 3]."""
    aligner = Aligner(other, polygon)
    alignment = aligner.align(recipe.template)
    if alignment.match < MIN_MATCH and not aligner.plain:
        text = f"template {number} of the recipe does not match the first: agreement {alignment.match:.2f}"
        raise _RefusedError("not-registered", f"{text}, {MIN_MATCH:.2f} is needed: teach the recipe again")
    height, width = recipe.template.shape[:2]
    laid, known = warp(other, alignment, (0, 0, width, height))
    return np.where(known[..., None], laid, recipe.template)


def _check_shape(image: NDArray[np.uint8], recipe: Recipe) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise _RefusedError("wrong-format", f"must be BGR uint8 [H, W, 3], but got {image.dtype} {list(image.shape)}")
    if image.shape != recipe.template.shape:
        (height, width), (wanted_height, wanted_width) = image.shape[:2], recipe.template.shape[:2]
        text = f"the image has {width} × {height} pixels, the template {wanted_width} × {wanted_height}"
        text += ": take both with the same camera, settings and orientation"
        raise _RefusedError("wrong-size", text)


def _mask(polygon: NDArray[np.float64], shape: tuple[int, ...], halo: int = HALO) -> tuple[Window, NDArray[np.uint8]]:
    """Window around a polygon with the halo, inside the frame; and uint8 [h, w], 1 inside the polygon."""
    height, width = shape
    low, high = np.floor(polygon.min(axis=0)) - halo, np.ceil(polygon.max(axis=0)) + halo
    x0, y0 = (int(value) for value in np.clip(low, 0, (width - 1, height - 1)))
    x1, y1 = (int(value) for value in np.clip(high, (x0 + 1, y0 + 1), (width, height)))
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    corners = np.round((polygon - 0.5 - (x0, y0)) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, shift=4)
    return (x0, y0, x1, y1), mask
