"""Is the set broad enough? What it needs, what it has, and what a person can do about what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.pair_set import CHECKED_SHARE, Entry
from edge_agent.inspection.recipe import Recipe

COUNT, OBJECTS, CLEAN, LIGHT, PLACES = "pairs", "with an object", "clean parts", "brightness", "positions"
LEAST_PAIRS = 80  # below, too few are left for the check to mean anything
OBJECT_SHARE = 0.05
CHECKED_OBJECTS = 2  # parts with an object among those kept for the check
EACH_PAIRS, EACH_CHECKED = 20, 3  # of every recipe that runs, where there are several; for the check among them
BRIGHTNESS_SPREAD = 0.02  # of the template's; light that never changes at all does not exist at a line
SHIFT_SPREAD_PX = 1.0
TAIL = 5  # percent of the pairs at each end that a spread leaves out


@dataclass(frozen=True)
class Need:
    """One thing that a set must have.

    Attributes:
        subject: in two words.
        have, want: as they are printed.
        met: whether it is there.
        vital: without it nothing can be calibrated; else the calibration is possible, but narrow.
        mend: what a person at the line can do.
    """

    subject: str
    have: str
    want: str
    met: bool
    vital: bool
    mend: str


def needs(entries: Sequence[Entry], pairs: int, recipes: Mapping[str, Recipe]) -> list[Need]:
    """Everything that a set for a calibration must have.

    Args:
        entries: the pairs under these recipes.
        pairs: how many are wanted.
        recipes: that the agent may come to work with, by key.
    """
    with_object = [entry for entry in entries if entry.has_object]
    checked = sum(entry.for_check for entry in with_object)
    objects = objects_wanted(pairs)
    clean = len(entries) - len(with_object)
    brightness = _spread([entry.brightness for entry in entries])
    shift = max(_spread([entry.shift[axis] for entry in entries]) for axis in (0, 1))
    return [
        Need(COUNT, str(len(entries)), str(pairs), len(entries) >= pairs, True, "let the line run on"),
        Need(
            OBJECTS,
            f"{len(with_object)}, {checked} of them for the check",
            f"{objects}, {CHECKED_OBJECTS} of them for the check",
            len(with_object) >= objects and checked >= CHECKED_OBJECTS,
            True,
            "put parts with a test piece (a hair, a sliver) under the camera, each time at another place",
        ),
        Need(CLEAN, str(clean), str(pairs // 2), clean >= pairs // 2, True, "let clean parts pass"),
        Need(
            LIGHT,
            f"spread {brightness:.1%}",
            f"{BRIGHTNESS_SPREAD:.0%}",
            brightness >= BRIGHTNESS_SPREAD,
            False,
            "let it run over a change of the light: day and night, lamp cold and warm, neighbour's lamp on and off",
        ),
        Need(
            PLACES,
            f"spread {shift:.1f} px",
            f"{SHIFT_SPREAD_PX:g} px",
            shift >= SHIFT_SPREAD_PX,
            False,
            "lay parts into the fixture as loosely as the line does",
        ),
        *(_of_recipe(key, recipe.name, entries) for key, recipe in recipes.items() if len(recipes) > 1),
    ]


def _of_recipe(key: str, name: str, entries: Sequence[Entry]) -> Need:
    """One engine serves all recipes: each that runs needs pairs of its own, for ranges and check."""
    own = [entry for entry in entries if entry.recipe == key]
    checked = sum(entry.for_check for entry in own)
    mend = f"select recipe {name} and let its parts run"
    if not own:
        mend += "; until then nobody knows whether the engine agrees with FP32 on it"
    return Need(
        f"recipe {name}",
        f"{len(own)}, {checked} of them for the check",
        f"{EACH_PAIRS}, {EACH_CHECKED} of them for the check",
        len(own) >= EACH_PAIRS and checked >= EACH_CHECKED,
        bool(own),
        mend,
    )


def objects_wanted(pairs: int) -> int:
    """How many pairs must show an object: enough that the check gets some."""
    return max(CHECKED_OBJECTS * CHECKED_SHARE, round(OBJECT_SHARE * pairs))


def helps(entry: Entry, entries: Sequence[Entry], pairs: int, recipes: Mapping[str, Recipe]) -> bool:
    """Whether the set gains by this pair: it is not full yet, or lacks what the pair has."""
    lacks = {need.subject for need in needs(entries, pairs, recipes) if not need.met}
    own = sum(other.recipe == entry.recipe for other in entries)
    if len(recipes) > 1 and f"recipe {recipes[entry.recipe].name}" in lacks and (entry.for_check or own < EACH_PAIRS):
        return True
    kin = [other for other in entries if other.has_object == entry.has_object]
    if entry.has_object:
        room = pairs // 2
        missing = OBJECTS in lacks and (entry.for_check or len(kin) < objects_wanted(pairs))
    else:
        room = pairs - objects_wanted(pairs)
        missing = CLEAN in lacks
    if missing or (COUNT in lacks and len(kin) < room):
        return True
    if len(entries) >= 2 * pairs:
        return False
    light = LIGHT in lacks and _outside(entry.brightness, [other.brightness for other in entries])
    return light or (
        PLACES in lacks
        and any(_outside(entry.shift[axis], [other.shift[axis] for other in entries]) for axis in (0, 1))
    )


def _outside(value: float, values: Sequence[float]) -> bool:
    """Whether a value would widen the spread."""
    low, high = np.percentile(values, (TAIL, 100 - TAIL))
    return not low <= value <= high


def _spread(values: Sequence[float]) -> float:
    if not values:
        return 0.0
    low, high = np.percentile(values, (TAIL, 100 - TAIL))
    return float(high - low)
