"""Register the template to a test image: sub-pixel shift, rotation and scale, coarse to fine, then small local shifts.

A few candidates are found by correlation on a small picture; each is refined by Lucas-Kanade with robust weights, so
that an object lying on the part pulls nothing; the best match wins, and the template stays where it is unless another
place is better. (OpenCV's findTransformECC knows no similarity transform and no robust weights.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.inspection.alignment_level import LocalCorrelation, Matrix, TemplateLevel, TestLevel, moved
from edge_agent.inspection.local_alignment import shift_field, shifted

Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in full-resolution pixels, half-open

WORKING_PIXELS = 450_000  # of the finest level: larger regions are registered at half or quarter resolution
COARSE_SIDE = 72  # the coarsest level keeps at least so many pixels along its short side
MARGIN, MARGIN_PX = 0.1, 48  # around the region: share of its longer side, and at least so much
REACH, REACH_PX = 0.06, 32  # how far a part may have moved, likewise
TURNS_DEG = (0.0, -2.0, 2.0)  # starting points; refinement finds what lies between and around
MAX_TURN_DEG, MAX_ZOOM = 6.0, 0.06  # beyond, a match is a coincidence
GAIN = 0.002  # by how much local shifts must match better than none
# A motion must match better than none by so much for each pixel of its length: where the picture does not fix
# a direction (parallel traces, a round shell) every place matches alike, and the nearest is the likely one.
GAIN_PER_PX = 0.001
PLAIN = 0.002  # share of textured pixels below which there is nothing to register by


@dataclass(frozen=True)
class Alignment:
    """How the template lies on a test image.

    Attributes:
        matrix: 3 × 3, template pixels -> test pixels.
        match: agreement of the textured parts after registration, -1..1; 0 where the template has none.
        field: float32 [h, w, 2], local shifts in pixels that remain after the matrix; None where they do not help.
        field_to_frame: 3 × 3, (column, row) of the field -> test pixels.
    """

    matrix: Matrix
    match: float
    field: NDArray[np.float32] | None = None
    field_to_frame: Matrix | None = None


def warp(
    template: NDArray[np.uint8], alignment: Alignment, window: Window
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The template as it lies on a window of the test image.

    Returns:
        BGR uint8 [h, w, 3] and bool [h, w], where it comes from inside the template. The picture is a view of the
        template where all of it does.
    """
    x0, y0, x1, y1 = window
    height, width = template.shape[:2]
    if alignment.field is None:
        if np.array_equal(alignment.matrix, np.eye(3)):
            return template[y0:y1, x0:x1], np.ones((y1 - y0, x1 - x0), np.bool_)
        return _warp_rigid(template, alignment.matrix, window)
    x, y = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
    if alignment.field_to_frame is not None:
        to_field = np.linalg.inv(alignment.field_to_frame) @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (x1 - x0, y1 - y0)
        field = cv2.warpAffine(alignment.field, to_field[:2], size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        x, y = x + field[..., 0], y + field[..., 1]
    (a, b, c), (d, e, f) = np.linalg.inv(alignment.matrix)[:2].astype(np.float32)
    x, y = a * x + b * y + c, d * x + e * y + f
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    seen = cv2.remap(template, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8), inside


def _warp_rigid(
    template: NDArray[np.uint8], matrix: Matrix, window: Window
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """`warp` without local shifts, in half the time."""
    x0, y0, x1, y1 = window
    size = (x1 - x0, y1 - y0)
    to_template = (np.linalg.inv(matrix) @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]]))[:2]
    flags = cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(template, to_template, size, flags=flags | cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    all_of_it = np.ones(template.shape[:2], np.uint8)
    inside = cv2.warpAffine(all_of_it, to_template, size, flags=flags | cv2.INTER_NEAREST)
    return np.asarray(seen, np.uint8), np.asarray(inside, np.uint8).view(np.bool_)


class Aligner:
    """Registers one template; what depends on the template alone is done once.

    Args:
        template: BGR uint8 [H, W, 3].
        region: corners (x, y) in template pixels, float64 [K, 2].
    """

    def __init__(self, template: NDArray[np.uint8], region: NDArray[np.float64]) -> None:
        height, width = template.shape[:2]
        low, high = region.min(axis=0), region.max(axis=0)
        side = float((high - low).max())
        margin, self._reach = max(MARGIN_PX, MARGIN * side), max(REACH_PX, REACH * side)
        window = _window(low - margin, high + margin, width, height)
        self._search_window = _window(low - margin - self._reach, high + margin + self._reach, width, height)
        self._first, self._last = _level_range(window)
        center = (window[0] + window[2]) / 2, (window[1] + window[3]) / 2
        pyramid = _pyramid(template, window, self._last)
        self._levels = {
            level: TemplateLevel(pyramid[level], window[:2], 2.0**level, center)
            for level in range(self._first, self._last + 1)
        }

    @property
    def plain(self) -> bool:
        """Whether the template shows nothing to register by; it stays where it is then."""
        return self._levels[self._first].textured < PLAIN

    def align(self, test: NDArray[np.uint8]) -> Alignment:
        """Find the template in a test image, BGR uint8 of the template's size."""
        identity = np.eye(3)
        finest = self._levels[self._first]
        pyramid = _pyramid(test, self._search_window, self._last)
        tests = {level: TestLevel(pyramid[level], self._search_window[:2], 2.0**level) for level in self._levels}
        before = finest.match(tests[self._first], identity)
        if self.plain:
            return Alignment(identity, before)
        best, match, merit = identity, before, before
        for matrix in self._candidates(tests):
            after = finest.match(tests[self._first], matrix)
            length = float(np.abs(moved(matrix, finest.corners) - finest.corners).mean())
            if after - GAIN_PER_PX * length > merit:
                best, match, merit = matrix, after, after - GAIN_PER_PX * length
        alignment = Alignment(best, match)
        # Most parts are not bent: half the resolution is enough to see that, in a quarter of the time.
        for level, gain in ((min(self._first + 1, self._last), GAIN / 4), (self._first, GAIN)):
            bent = _with_local_shifts(alignment, self._levels[level], tests[level], gain)
            if bent.field is None:
                return alignment
        return bent

    def _candidates(self, tests: dict[int, TestLevel]) -> list[Matrix]:
        """The most promising motions, from many coarse ones to few fine ones."""
        coarsest = self._levels[self._last]
        found = [hit for turn in TURNS_DEG for hit in coarsest.search(tests[self._last], turn, self._reach)]
        found.sort(key=lambda hit: hit[0], reverse=True)
        candidates = [np.eye(3), *(matrix for _, matrix in found[:4])]
        for level in range(self._last, self._first - 1, -1):
            template, test = self._levels[level], tests[level]
            refined = [template.refine(test, matrix) for matrix in candidates]
            candidates = _distinct([matrix for matrix in refined if self._plausible(matrix)], template.corners)
            if len(candidates) > 1:
                kept = 3 if level > self._first + 1 else 1
                candidates = sorted(candidates, key=lambda matrix: -template.match(test, matrix))[:kept]
        return candidates

    def _plausible(self, matrix: Matrix) -> bool:
        zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        turn = float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        corners = self._levels[self._last].corners
        shift = float(np.abs((moved(matrix, corners) - corners).mean(axis=0)).max())
        return abs(zoom - 1) <= MAX_ZOOM and abs(turn) <= MAX_TURN_DEG and shift <= 1.5 * self._reach


def _with_local_shifts(alignment: Alignment, template: TemplateLevel, test: TestLevel, gain: float) -> Alignment:
    """The alignment with its field of local shifts, if the two match better with it by `gain`."""
    place = moved(np.linalg.inv(test.to_frame) @ alignment.matrix, template.corners)
    x0, y0, x1, y1 = _window(place.min(axis=0), place.max(axis=0), test.smooth.shape[1], test.smooth.shape[0])
    to_test = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1.0]])
    to_template = np.linalg.inv(template.to_frame) @ np.linalg.inv(alignment.matrix) @ test.to_frame @ to_test
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (x1 - x0, y1 - y0)
    outside = cv2.warpAffine(np.ones(template.shape, np.uint8), to_template[:2], size, flags=inverse) == 0

    def laid_over(image: NDArray[np.float32], onto: NDArray[np.float32]) -> NDArray[np.float32]:
        seen = cv2.warpAffine(image, to_template[:2], size, flags=inverse, borderMode=cv2.BORDER_REPLICATE)
        return np.where(outside, onto, seen).astype(np.float32, copy=False)

    features, smooth = test.features[y0:y1, x0:x1], test.smooth[y0:y1, x0:x1]
    field = shift_field(laid_over(template.features, features), features)
    unbent = laid_over(template.smooth, smooth)
    correlation = LocalCorrelation(smooth)
    if correlation.with_image(shifted(unbent, field)) < correlation.with_image(unbent) + gain:
        return alignment
    zoom = size[0] / field.shape[1], size[1] / field.shape[0]
    from_cell = np.array([[zoom[0], 0, zoom[0] / 2 - 0.5], [0, zoom[1], zoom[1] / 2 - 0.5], [0, 0, 1.0]])
    return replace(
        alignment, field=field * np.float32(template.scale), field_to_frame=test.to_frame @ to_test @ from_cell
    )


def _level_range(window: Window) -> tuple[int, int]:
    """First (finest) and last (coarsest) level of the pyramid that is worked on; each halves the one before."""
    width, height = window[2] - window[0], window[3] - window[1]
    first = 0
    while width * height >> (2 * first) > WORKING_PIXELS:
        first += 1
    last = first
    while min(width, height) >> (last + 1) >= COARSE_SIDE:
        last += 1
    return first, last


def _pyramid(image: NDArray[np.uint8], window: Window, last: int) -> list[NDArray[np.uint8]]:
    """Grey levels of the window, and of each half resolution down to `last`."""
    x0, y0, x1, y1 = window
    levels = [np.asarray(cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY), np.uint8)]
    for _ in range(last):
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
    return levels


def _window(low: NDArray[np.float64], high: NDArray[np.float64], width: int, height: int) -> Window:
    x0, y0 = np.clip(np.floor(low), 0, (width - 1, height - 1)).astype(int)
    x1, y1 = np.clip(np.ceil(high), 1, (width, height)).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _distinct(matrices: list[Matrix], corners: NDArray[np.float64]) -> list[Matrix]:
    """Without those that have come to where another already is."""
    kept: list[Matrix] = []
    for matrix in matrices:
        place = moved(matrix, corners)
        if all(np.abs(place - moved(other, corners)).max() > 1.0 for other in kept):
            kept.append(matrix)
    return kept
