"""What the inspection makes of parts that are known to be clean or bad, at every threshold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError
from edge_agent.images import read_image
from edge_agent.inspection.components import find_components
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.inspector import Inspector, Seen, conclude
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.registration import Registrar

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass(frozen=True)
class Measured:
    """Photos of one kind of parts.

    Attributes:
        thresholds: those of the columns.
        photos: those that could be inspected.
        lengths: float64 [photos, thresholds], the longest component in the unit of the recipe's limit; 0 where there
            is none.
        refused: those that could not, each with its reason: neither rejected nor accepted here, never OK at the line.
        repeated: those that must not count (again), each with what it is.
    """

    thresholds: tuple[float, ...]
    photos: tuple[Path, ...]
    lengths: NDArray[np.float64]
    refused: tuple[tuple[Path, str], ...]
    repeated: tuple[tuple[Path, str], ...]


def measure(
    inspector: Inspector,
    recipe: Recipe,
    photos: Sequence[Path],
    thresholds: Sequence[float],
    seen: dict[str, str],
    done: Callable[[Path], None],
) -> Measured:
    """Inspect photos of parts at each threshold; `done` is called after each photo.

    A picture that was counted before, or that is a template, is left out: a rate and its interval hold for parts that
    are independent of each other.

    Args:
        seen: digest of the pixels of each picture that must not count (again), and what it is; see `templates`. Those
            measured are added.

    Raises:
        ImageError: a file cannot be read.
        EngineError: inference failed.
    """
    # The lowest threshold of all: what the further templates of a recipe are asked about then holds for each.
    lowest = replace(recipe, limits=replace(recipe.limits, threshold=min(thresholds)))
    registrar = Registrar()
    measured: list[tuple[Path, list[float]]] = []
    refused: list[tuple[Path, str]] = []
    repeated: list[tuple[Path, str]] = []
    for photo in photos:
        image = read_image(photo)
        digest = _digest(image)
        if digest in seen:
            repeated.append((photo, f"the same picture as {seen[digest]}"))
            done(photo)
            continue
        seen[digest] = str(photo)
        registered = registrar.register(image, lowest)
        outcome = registered if isinstance(registered, Inspection) else inspector.look(registered)
        if isinstance(outcome, Inspection):
            refused.append((photo, "; ".join(reason.text for reason in outcome.reasons)))
        elif outcome.registered.doubt:
            refused.append((photo, outcome.registered.doubt))
        else:
            looks = (replace(outcome, threshold=threshold) for threshold in thresholds)
            measured.append((photo, [_longest(look, in_mm(recipe)) for look in looks]))
        done(photo)
    lengths = np.array([lengths for _, lengths in measured], np.float64).reshape(-1, len(thresholds))
    photos = tuple(photo for photo, _ in measured)
    return Measured(tuple(thresholds), photos, lengths, tuple(refused), tuple(repeated))


def templates(recipe: Recipe) -> dict[str, str]:
    """What `measure` must not count: the pictures that taught the recipe."""
    return {_digest(image): "a template of the recipe" for image in (recipe.template, *recipe.others)}


def _digest(image: NDArray[np.uint8]) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def need_some(measured: Measured) -> None:
    """Raise ImageError where no photo could be inspected."""
    if not measured.photos:
        left_out = (*measured.refused, *measured.repeated)
        photo, why = left_out[0]
        raise ImageError(
            f"{why} (none of the {len(left_out)} photos of clean parts can be inspected)",
            where=str(photo),
            mend="check recipe and photos with edge-agent inspect --draw",
        )


def in_mm(recipe: Recipe) -> bool:
    """Whether the recipe's limit is in mm; else it is in pixels."""
    return recipe.mm_per_px is not None and recipe.limits.min_length_mm is not None


def _longest(seen: Seen, millimetres: bool) -> float:
    score_map = conclude(seen).score_map
    assert score_map is not None, "conclude always makes it"
    # The inspection itself names no more than 100 components, and the longest need not be among them.
    found, _ = find_components(score_map, seen.threshold, seen.registered.recipe.mm_per_px, most=None)
    return max(((c.length_mm or 0.0) if millimetres else c.length_px for c in found), default=0.0)
