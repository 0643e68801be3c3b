"""An agent with a store, a model that can be quantised, and a calibration set of its made-up line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.near_duplicates import reduced
from calibration.pair_set import Entry, PairSet, picture_id
from calibration.place import Place
from edge_agent.config import load
from edge_agent.inspection.recipe import Recipe
from edge_agent.results.samples import recipe_key
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
    recipe = place.recipe()
    key = recipe_key(recipe)
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


def mirrored(recipe: Recipe, name: str) -> Recipe:
    """The same part turned over: another recipe, of parts that are pictures of the first one's mirrored."""
    width = recipe.template.shape[1]
    region = tuple((width - x, y) for x, y in reversed(recipe.region))
    return replace(recipe, name=name, template=np.ascontiguousarray(recipe.template[:, ::-1]), region=region)


def fill_mirrored(place: Place, recipe: Recipe, numbers: Iterable[int]) -> None:
    """Put parts of a mirrored recipe into the set."""
    pairs = PairSet(place.pairs)
    for number in numbers:
        image = np.ascontiguousarray(part_on_the_line(number)[:, ::-1])
        entry = Entry(picture_id(image), recipe_key(recipe), number % 5 == 0, 1.0, (0.0, 0.0))
        pairs.add(image, reduced(image, recipe), entry)
