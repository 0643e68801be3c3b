"""An agent with a store, a model that can be quantised, and a calibration set of its made-up line."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.near_duplicates import reduced
from calibration.pair_set import Entry, PairSet, picture_id
from calibration.place import Place
from edge_agent.config import load
from edge_agent.inspection.recipe import Recipe
from tests.support.agent import MADE_UP, AgentFolder
from tests.support.convolutions import write_convolution_model
from tests.support.line import part_on_the_line

PARTS = 92  # enough for a calibration: 80 and some


def calibration_place(folder: Path) -> Place:
    """agent.toml, recipe, model and an empty store."""
    agent = AgentFolder(folder, port=1)
    model = write_convolution_model(folder / "convolutions.onnx").name
    config = agent.write_config(engine={"model": model, "threads": 1, "store": "engines"})
    return Place.of(load(config))


def fill(place: Place, numbers: Iterable[int] = range(PARTS)) -> PairSet:
    """Put parts of the line into the set, as `calibrate collect` would."""
    pairs = PairSet(place.pairs)
    key, recipe = next(iter(place.recipes().items()))
    for number in numbers:
        image, small, name = _part(number)
        rng = np.random.default_rng(number)
        pairs.add(image, small, Entry(name, key, number % 5 == 0, rng.uniform(0.9, 1.1), (rng.uniform(-3, 3), 0.0)))
    assert recipe.region == MADE_UP.region
    return pairs


@cache
def _part(number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], str]:
    image = part_on_the_line(number)
    return image, reduced(image, MADE_UP), picture_id(image)


def recipe_of(place: Place) -> Recipe:
    """The one recipe at work."""
    return next(iter(place.recipes().values()))
