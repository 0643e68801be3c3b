"""Synthetic training pairs: one background, differences in one picture of it, disturbances on both.

Method: Wang et al. 2023, section 2.1, with the additions named in the modules
beside this one. Sample `index` of seed `seed` is the same for ever, however
many workers make it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from build_engine.synthesis import fills, shapes
from build_engine.synthesis.backgrounds import Background, random_background
from build_engine.synthesis.disturbances import photograph, printed, random_motion, vary_surfaces
from build_engine.synthesis.photographs import Photographs

Image = NDArray[np.uint8]
Mask = NDArray[np.uint8]
MARGIN = 32  # drawn around the sample and cut off in the end: no reflected border is ever seen


@dataclass(frozen=True)
class Recipe:
    """The mixture of synthetic pairs.

    Attributes:
        size: side of a sample in pixels.
        differences: fewest and most differences a pair.
        clean_share: pairs without any difference.
        binary_share: black-and-white backgrounds.
        drawn_share: backgrounds with drawn rings and bars.
        surfaces_share: pairs in which surfaces reflect differently in the two photos.
        swapped_share: pairs in which the template holds the differences.
        aligned_share: pairs that lie exactly on each other.
        largest_shift: pixels, of the strongly misaligned pairs.
        edge_share: differences that lie on an edge of the background, where small ones are hardest to see.
        visible: grey levels; a pixel that changed by no more is no difference to anyone and not labelled as one.
        fills, shapes: what differences look like, with their shares.
    """

    size: int = 256
    differences: tuple[int, int] = (1, 12)
    clean_share: float = 0.08
    binary_share: float = 0.33
    drawn_share: float = 0.25
    surfaces_share: float = 0.6
    swapped_share: float = 0.25
    aligned_share: float = 0.2
    largest_shift: float = 5.0
    edge_share: float = 0.35
    visible: int = 14
    fills: tuple[tuple[fills.Fill, float], ...] = fills.MIXTURE
    shapes: tuple[tuple[shapes.Shape, float], ...] = shapes.MIXTURE


# The paper's own: 12 to 19 polygons, one fill, no prints, no drawings.
PAPER = Recipe(
    differences=(12, 19),
    clean_share=0.0,
    binary_share=0.0,
    drawn_share=0.0,
    surfaces_share=0.0,
    swapped_share=0.0,
    edge_share=0.0,
    largest_shift=10.0,
    fills=fills.PAPER_FUSION,
    shapes=((shapes.polygon, 1.0),),
)
RECIPES = {"default": Recipe(), "paper": PAPER, "paper-colour": replace(PAPER, fills=fills.PAPER_COLOUR)}


@dataclass(frozen=True)
class Sample:
    """One training pair: test and template, BGR uint8 [S, S, 3]; mask uint8 [S, S], 1 where they differ."""

    test: Image
    template: Image
    mask: Mask


def synthesise(photographs: Photographs, recipe: Recipe, seed: int, index: int) -> Sample:
    """Sample number `index` of a seed."""
    rng = np.random.default_rng([seed, index])
    size = recipe.size + 2 * MARGIN
    background = random_background(rng, photographs, size, recipe.binary_share, recipe.drawn_share)
    template = background.relit if rng.random() < recipe.surfaces_share else background.image
    test, mask = _with_differences(rng, background, photographs, recipe)
    if not background.binary and rng.random() < recipe.surfaces_share:
        test = vary_surfaces(rng, test)
    if rng.random() < recipe.swapped_share:
        test, template = template, test
    motion = random_motion(rng, size, recipe.aligned_share, recipe.largest_shift)
    if motion:
        if rng.random() < 0.5:
            test, mask = motion.move(test), (motion.move(mask * 255) > 127).astype(np.uint8)
        else:
            template = motion.move(template)
    inner = slice(MARGIN, MARGIN + recipe.size)
    test, template, mask = test[inner, inner], template[inner, inner], mask[inner, inner]
    if background.binary and rng.random() < 0.85:
        test, template = printed(rng, test), printed(rng, template)
        if rng.random() < 0.8:
            return Sample(test, template, np.ascontiguousarray(mask))
    return Sample(photograph(rng, test), photograph(rng, template), np.ascontiguousarray(mask))


def _with_differences(
    rng: np.random.Generator, background: Background, photographs: Photographs, recipe: Recipe
) -> tuple[Image, Mask]:
    """The background with differences drawn in, and the mask of the pixels that really changed."""
    clean = background.image
    size = clean.shape[0]
    image, mask = clean.copy(), np.zeros((size, size), np.uint8)
    if rng.random() < recipe.clean_share:
        return image, mask
    other, edges = photographs.crop(rng, size), _edges(clean)
    for _ in range(int(rng.integers(recipe.differences[0], recipe.differences[1] + 1))):
        shape = shapes.random_shape(rng, recipe.shapes)[:size, :size]
        height, width = shape.shape
        # Centres lie inside the sample proper; what sticks out of the drawn square is cut off.
        cy, cx = rng.uniform(MARGIN, size - MARGIN, 2)
        if len(edges) and rng.random() < recipe.edge_share:
            cy, cx = edges[rng.integers(len(edges))] + MARGIN
        y = int(np.clip(cy - height / 2, 0, size - height))
        x = int(np.clip(cx - width / 2, 0, size - width))
        place = np.s_[y : y + height, x : x + width]
        below = image[place].astype(np.float32)
        if background.binary:
            patch = np.full_like(below, 255.0 * (rng.random() < 0.5))
        else:
            patch = fills.random_fill(rng, below, other[place].astype(np.float32), clean, recipe.fills)
        opacity = _soft(rng, shape, background.binary)[:, :, None]
        image[place] = np.clip(below + opacity * (patch - below), 0, 255).astype(np.uint8)
        mask[place] |= shape
    changed = (cv2.absdiff(image, clean).max(axis=2) > recipe.visible).astype(np.uint8)
    # A fill that happens to meet the background's grey at some pixels is still one object: close pinholes.
    changed = np.asarray(cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    return image, mask & changed


def _edges(image: Image) -> NDArray[np.int64]:
    """Places (y, x) with the steepest tenth of slopes, int64 [N, 2], in the sample proper; none in an even picture."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    slope = cv2.magnitude(*(cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0)))
    return np.argwhere(slope > max(40.0, float(np.quantile(slope[::2, ::2], 0.9))))


def _soft(rng: np.random.Generator, shape: Mask, binary: bool) -> NDArray[np.float32]:
    """Opacity of a shape, float32 [h, w]: hard, or with the soft edge of a lens."""
    hard = shape.astype(np.float32)
    if binary or rng.random() < 0.4 or min(shape.shape) < 6:
        return hard
    padded = cv2.copyMakeBorder(hard, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=0)
    blurred = cv2.GaussianBlur(padded, (0, 0), rng.uniform(0.5, 1.4))[3:-3, 3:-3]
    return np.asarray(blurred, dtype=np.float32)
