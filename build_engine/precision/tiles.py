"""Calibration tiles: what the network sees of real parts, cut by the product's own registration and tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from build_engine.datasets import AnnotatedPair
from build_engine.datasets.one_class import good_pictures
from build_engine.synthesis.pairs import Recipe as Mixture
from build_engine.synthesis.pairs import synthesise
from build_engine.synthesis.photographs import Photographs
from edge_agent.engines.engine import Tiles
from edge_agent.errors import MatecheckError, ModelError
from edge_agent.images import read_image
from edge_agent.inspection import tiles as tiling
from edge_agent.inspection.recipe import Polygon, Recipe
from edge_agent.inspection.registration import Registered, Registrar

LIMIT = 200  # pairs of tiles: 350 MB, and ranges that more of them do not change


class CalibrationTiles(Protocol):
    """Batches of (test, template), uint8 [N, H, W, 3] each; may be gone through again and again."""

    def __iter__(self) -> Iterator[tuple[Tiles, Tiles]]: ...


@dataclass(frozen=True)
class TileSet:
    """Calibration tiles in memory.

    Attributes:
        batches: (test, template) of one pair of images each.
        pairs: images that they were cut of.
        skipped: name and reason of each pair of images that gave none.
    """

    batches: tuple[tuple[Tiles, Tiles], ...]
    pairs: int
    skipped: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[tuple[Tiles, Tiles]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return sum(len(test) for test, _ in self.batches)


def tiles_of_registered(registered: Registered, size: tuple[int, int]) -> tuple[Tiles, Tiles]:
    """All tiles (height, width) that the network would see of one part: (test, template), of all scales."""
    height, width = registered.test.shape[:2]
    layouts = [tiling.plan(height, width, scale, size) for scale in registered.recipe.scales]
    images = (registered.test, registered.template)
    test, template = (np.concatenate([tiling.cut(image, layout, size) for layout in layouts]) for image in images)
    return test, template


def tiles_of_pairs(
    pairs: Sequence[AnnotatedPair],
    size: tuple[int, int],
    *,
    limit: int = LIMIT,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> TileSet:
    """Tiles of real pairs, registered as the product does it.

    Every pair gives as many as any other, drawn at random; of more pairs than the limit, that many are drawn.

    Args:
        pairs: their boxes are not looked at.
        size: height and width of the model's tiles in pixels.
        limit: most pairs of tiles.
        seed: of the draw.
        progress: is called with the number of pairs that are done.

    Raises:
        ImageError, RecipeError: a pair cannot be read.
        ModelError: not one pair could be registered.
    """
    rng = np.random.default_rng(seed)
    order = [pairs[index] for index in rng.permutation(len(pairs))]
    each = max(1, limit // max(1, len(pairs)))
    registrar = Registrar()
    batches: list[tuple[Tiles, Tiles]] = []
    skipped: list[tuple[str, str]] = []
    for done, pair in enumerate(order, 1):
        if sum(len(test) for test, _ in batches) >= limit:
            break
        registered = registrar.register(read_image(pair.test), _recipe(pair))
        if isinstance(registered, Registered):
            test, template = tiles_of_registered(registered, size)
            drawn = np.sort(rng.permutation(len(test))[:each])
            batches.append((test[drawn], template[drawn]))
        else:
            skipped.append((pair.name, "; ".join(reason.text for reason in registered.reasons)))
        if progress:
            progress(done)
    if not batches:
        why = f": {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        raise ModelError(f"no pair gives a calibration tile{why}", mend="give pairs that edge-agent inspect can judge")
    return TileSet(tuple(batches), len(batches), tuple(skipped))


def tiles_of_photographs(photographs: Photographs, size: tuple[int, int], count: int = LIMIT, seed: int = 0) -> TileSet:
    """Synthetic pairs as in training, where there are no real ones: `count` tiles (height, width), one a pair."""
    height, width = size
    mixture = Mixture(size=max(size))
    samples = (synthesise(photographs, mixture, seed, index) for index in range(count))
    batches = tuple((_cropped(s.test, height, width), _cropped(s.template, height, width)) for s in samples)
    return TileSet(batches, count)


def tiles_of_good(
    source: Path, size: tuple[int, int], normal: int | None = None, *, limit: int = LIMIT, seed: int = 0
) -> TileSet:
    """Whole pictures of good parts (height, width), for a network that judges one picture; nothing is registered.

    Args:
        source, normal: see `good_pictures`.
        size: of the model's input in pixels.
        limit: most pictures; of more, that many are drawn.
        seed: of the draw.

    Raises:
        DatasetError: there is none.
    """
    pictures = good_pictures(source, size, normal)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(pictures))[:limit])
    batches = tuple((pictures[i : i + 1], pictures[i : i + 1]) for i in drawn)
    return TileSet(batches, len(batches))


def _cropped(image: NDArray[np.uint8], height: int, width: int) -> Tiles:
    return np.ascontiguousarray(image[None, :height, :width])


def _recipe(pair: AnnotatedPair) -> Recipe:
    try:
        return _recipe_of(pair.template, pair.region)
    except MatecheckError as error:
        raise type(error)(error.what, where=f"{pair.name}, {error.where}", mend="mend it in the list") from error


@lru_cache(maxsize=1)
def _recipe_of(template: Path, region: Polygon) -> Recipe:
    """Of a list with one template for many tests it is made once, and with it what registration keeps of a recipe."""
    return Recipe("calibration", "1", read_image(template), region)
