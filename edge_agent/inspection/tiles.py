"""Cut images into network-size tiles at several scales; put their score maps together again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.engines.engine import Engine

Picture = TypeVar("Picture", NDArray[np.uint8], NDArray[np.float32])

OVERLAP = 32  # pixels that neighbouring tiles share at least, so that each pixel is seen with its surroundings


@dataclass(frozen=True)
class Layout:
    """Where the tiles of one scale stand.

    Attributes:
        scale: of the reduced image to native resolution.
        size: height, width of the reduced image in pixels.
        tops, lefts: first row and column of each row and column of tiles.
        padded: height, width of the reduced image after filling it up to one tile by reflection.
    """

    scale: float
    size: tuple[int, int]
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    padded: tuple[int, int]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.tops) * len(self.lefts)


def plan(height: int, width: int, scale: float, tile: tuple[int, int]) -> Layout:
    """The fewest tiles (height, width) that cover an image at this scale, evenly spread, OVERLAP or more."""
    size = max(1, round(height * scale)), max(1, round(width * scale))
    tops, lefts = (_starts(length, side) for length, side in zip(size, tile, strict=True))
    return Layout(scale, size, tops, lefts, (max(size[0], tile[0]), max(size[1], tile[1])))


def _starts(length: int, tile: int) -> tuple[int, ...]:
    if length <= tile:
        return (0,)
    overlap = min(OVERLAP, tile // 4)
    count = -(-(length - overlap) // (tile - overlap))
    return tuple(round(k * (length - tile) / (count - 1)) for k in range(count))


def cut(image: NDArray[np.uint8], layout: Layout, tile: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """The tiles of an image [H, W, 3] at the layout's scale, each uint8 [*tile, 3], row by row; views where it may."""
    reduced = _resized(image, layout.size)
    reduced = _fill_up(reduced, layout.padded)
    return [reduced[y : y + tile[0], x : x + tile[1]] for y in layout.tops for x in layout.lefts]


def join(scores: NDArray[np.float32], layout: Layout) -> NDArray[np.float32]:
    """The score map, float32 of the layout's size, of its tiles' maps [N, h, w].

    In an overlap each tile fades out towards its own edge, where it has seen the least around a pixel: no seams.
    """
    height, width = scores.shape[1:]
    total = np.zeros(layout.padded, np.float32)
    weight = np.zeros(layout.padded, np.float32)
    fade = np.minimum.outer(_ramp(height), _ramp(width))
    corners = ((y, x) for y in layout.tops for x in layout.lefts)
    for score, (y, x) in zip(scores, corners, strict=True):
        window = np.s_[y : y + height, x : x + width]
        total[window] += score * fade
        weight[window] += fade
    return (total / weight)[: layout.size[0], : layout.size[1]]


def merge_scales(
    maps: Sequence[NDArray[np.float32]], scales: Sequence[float], size: tuple[int, int], threshold: float
) -> NDArray[np.float32]:
    """One score map [H, W] of native `size` from the maps of all scales.

    The finest scale says where an object is and how far it reaches. A coarser one fills it, where an object is so
    large that the finest sees its rims alone: it counts inside components that the finest has pixels of too, and
    without its outermost pixels, which enlarging has blurred outwards. (Its maximum would lengthen every object.)
    """
    ordered = sorted(zip(scales, maps, strict=True), key=lambda entry: -entry[0])
    finest, *coarser = [np.clip(_resized(score, size), 0.0, 1.0) for _, score in ordered]
    if not coarser:
        return finest
    merged = finest
    for (scale, _), score in zip(ordered[1:], coarser, strict=True):
        side = 2 * round(1 / scale) + 1
        merged = np.maximum(merged, cv2.erode(score, np.ones((side, side), np.uint8)))
    count, labels = cv2.connectedComponents((merged >= threshold).astype(np.uint8), connectivity=8)
    seen = np.zeros(count, np.bool_)
    seen[labels[finest >= threshold]] = True
    seen[0] = False
    return np.where(seen[labels], merged, finest).astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class TileScores:
    """What the network says of the tiles of a pair of images.

    Attributes:
        layouts: where the tiles of each scale stand.
        scores: float32 [N, h, w], the tiles of one scale after those of the other.
        size: height, width of the images in pixels.
    """

    layouts: tuple[Layout, ...]
    scores: NDArray[np.float32]
    size: tuple[int, int]

    def merged(self, threshold: float) -> NDArray[np.float32]:
        """One score map of the images' size, see `merge_scales`."""
        ends = np.cumsum([layout.count for layout in self.layouts])
        parts = zip(np.split(self.scores, ends[:-1]), self.layouts, strict=True)
        maps = [join(part, layout) for part, layout in parts]
        return merge_scales(maps, [layout.scale for layout in self.layouts], self.size, threshold)


def look(engine: Engine, test: NDArray[np.uint8], template: NDArray[np.uint8], scales: Sequence[float]) -> TileScores:
    """The network's scores of a pair of images uint8 [H, W, 3] at all scales, in one call of the engine.

    A network whose view is "whole" gets the images resized to its own size instead, whatever the scales.

    Raises:
        EngineError: inference failed.
    """
    tile = engine.info.height, engine.info.width
    height, width = test.shape[:2]
    if engine.info.view == "whole":
        layouts: tuple[Layout, ...] = (Layout(1.0, tile, (0,), (0,), tile),)
    else:
        layouts = tuple(plan(height, width, scale, tile) for scale in scales)
    scores = engine.infer(_all_cut(test, layouts, tile), _all_cut(template, layouts, tile))
    return TileScores(layouts, scores, (height, width))


def look_again(
    engine: Engine, test: NDArray[np.uint8], template: NDArray[np.uint8], before: TileScores, threshold: float
) -> TileScores:
    """The lower scores of those `before` and those by another template: what either template shows is no object.

    Only tiles on which something reached the threshold are looked at again: lower scores change no component elsewhere.

    Raises:
        EngineError: inference failed.
    """
    again = np.flatnonzero(before.scores.max(axis=(1, 2)) >= threshold)
    if not len(again):
        return before
    tile = engine.info.height, engine.info.width
    tests, templates = (_all_cut(image, before.layouts, tile)[again] for image in (test, template))
    scores = before.scores.copy()
    scores[again] = np.minimum(scores[again], engine.infer(tests, templates))
    return replace(before, scores=scores)


def _all_cut(image: NDArray[np.uint8], layouts: Sequence[Layout], tile: tuple[int, int]) -> NDArray[np.uint8]:
    return np.stack([part for layout in layouts for part in cut(image, layout, tile)])


def _ramp(length: int) -> NDArray[np.float32]:
    """1, 2, 3 … up to the width of an overlap, and down again at the other end."""
    distance = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1))
    return np.minimum(distance, OVERLAP).astype(np.float32)


def _resized(image: Picture, size: tuple[int, int]) -> Picture:
    if image.shape[:2] == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, image.dtype)


def _fill_up(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Reflected on at the right and the bottom until it has this size; the edge itself is not repeated."""
    for axis in (0, 1):
        missing = size[axis] - image.shape[axis]
        if missing > 0:
            pad = [(0, 0)] * image.ndim
            pad[axis] = (0, missing)
            image = np.pad(image, pad, mode="reflect")
    return image
