"""Cut images into network-size tiles at several scales; put their score maps together again."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.engines.engine import Engine, ModelInfo

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
    for score, share, window in zip(scores, *_shares(layout, height, width), strict=True):
        total[window] += score * share
    return total[: layout.size[0], : layout.size[1]]


@functools.lru_cache(maxsize=16)
def _shares(layout: Layout, height: int, width: int) -> tuple[list[NDArray[np.float32]], list[tuple[slice, slice]]]:
    """How much each tile says of each of its pixels, 0..1, and where it stands."""
    windows = [np.s_[y : y + height, x : x + width] for y in layout.tops for x in layout.lefts]
    fade: NDArray[np.float32] = np.minimum.outer(_ramp(height), _ramp(width))
    weight = np.zeros(layout.padded, np.float32)
    for window in windows:
        weight[window] += fade
    return [np.divide(fade, weight[window], dtype=np.float32) for window in windows], windows


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
    sides = [2 * round(1 / scale) + 1 for scale, _ in ordered[1:]]
    # Where no coarser scale reaches the threshold nothing changes, and that is nearly everywhere.
    window = _window_of([score >= threshold for score in coarser], max(sides, default=0))
    if window is None:
        return finest
    seen_finest = merged = finest[window]
    for side, score in zip(sides, coarser, strict=True):
        merged = np.maximum(merged, cv2.erode(score[window], np.ones((side, side), np.uint8)))
    count, labels = cv2.connectedComponents((merged >= threshold).astype(np.uint8), connectivity=8)
    seen = np.zeros(count, np.bool_)
    seen[labels[seen_finest >= threshold]] = True
    seen[0] = False
    finest[window] = np.where(seen[labels], merged, seen_finest)
    return finest


def _window_of(masks: Sequence[NDArray[np.bool_]], margin: int) -> tuple[slice, slice] | None:
    """The smallest window around all that is True in any of the masks [H, W], and a margin; None if nothing is."""
    boxes = [cv2.boundingRect(mask.view(np.uint8)) for mask in masks]
    found = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes if w])
    if not len(found):
        return None
    (x0, y0), (x1, y1) = found[:, :2].min(axis=0), found[:, 2:].max(axis=0)
    return np.s_[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin]


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


@dataclass(frozen=True, eq=False)
class CutPair:
    """A pair of images as a network gets it.

    Attributes:
        network: height and width of its tiles, and its view.
        layouts: where the tiles of each scale stand.
        test, template: uint8 [N, h, w, 3], the tiles of one scale after those of the other.
        size: height, width of the images in pixels.
    """

    network: tuple[int, int, str]
    layouts: tuple[Layout, ...]
    test: NDArray[np.uint8]
    template: NDArray[np.uint8]
    size: tuple[int, int]

    def suits(self, info: ModelInfo) -> bool:
        """Whether it was cut for such a network."""
        return self.network == (info.height, info.width, info.view)


def cut_pair(info: ModelInfo, test: NDArray[np.uint8], template: NDArray[np.uint8], scales: Sequence[float]) -> CutPair:
    """The tiles of a pair of images uint8 [H, W, 3] at all scales, for one call of the engine.

    A network whose view is "whole" gets the images resized to its own size instead, whatever the scales.
    """
    tile = info.height, info.width
    height, width = test.shape[:2]
    if info.view == "whole":
        layouts: tuple[Layout, ...] = (Layout(1.0, tile, (0,), (0,), tile),)
    else:
        layouts = tuple(plan(height, width, scale, tile) for scale in scales)
    tests, templates = (_all_cut(image, layouts, tile) for image in (test, template))
    return CutPair((*tile, info.view), layouts, tests, templates, (height, width))


def look(engine: Engine, pair: CutPair) -> TileScores:
    """The network's scores of a pair.

    Raises:
        EngineError: inference failed.
    """
    return TileScores(pair.layouts, engine.infer(pair.test, pair.template), pair.size)


def look_again(
    engine: Engine, pair: CutPair, template: NDArray[np.uint8], before: TileScores, threshold: float
) -> TileScores:
    """The lower scores of those `before` and those by another template: what either template shows is no object.

    Only tiles on which something reached the threshold are looked at again: lower scores change no component elsewhere.

    Raises:
        EngineError: inference failed.
    """
    again = np.flatnonzero(before.scores.max(axis=(1, 2)) >= threshold)
    if not len(again):
        return before
    templates = _all_cut(template, pair.layouts, (engine.info.height, engine.info.width))
    scores = before.scores.copy()
    scores[again] = np.minimum(scores[again], engine.infer(pair.test[again], templates[again]))
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
    below, right = size[0] - image.shape[0], size[1] - image.shape[1]
    if not below and not right:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8)
