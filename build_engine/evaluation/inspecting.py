"""Annotated pairs through the product's own inspector."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from build_engine.datasets import AnnotatedPair
from build_engine.evaluation.report import detections
from build_engine.evaluation.worst_sheet import Scene
from edge_agent.errors import MatecheckError
from edge_agent.images import read_image
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Limits, Recipe


def inspect_pair(inspector: Inspector, pair: AnnotatedPair, threshold: float | None) -> Inspection:
    """What the product says of a pair with its default limits.

    Args:
        inspector: the product.
        pair: test and template are read from their files.
        threshold: score at which components are cut; None is the model's own.
    """
    return inspector.inspect(read_image(pair.test), recipe_of(pair, threshold))


def verdict_on_pair(inspector: Inspector, pair: AnnotatedPair, threshold: float | None) -> Inspection:
    """The same without its arrays, so that a thousand of them can be kept and sent between processes."""
    return replace(inspect_pair(inspector, pair, threshold), score_map=None, aligned_template=None)


def scene(inspector: Inspector, pair: AnnotatedPair, threshold: float | None) -> Scene:
    """The pictures of a pair for the sheet of the worst cases. Where nothing was inspected the score map is dark."""
    test = read_image(pair.test)
    inspection = inspect_pair(inspector, pair, threshold)
    template = inspection.aligned_template
    dark = np.zeros(test.shape[:2], np.float32)
    boxes = detections(pair, inspection)
    return Scene(
        name=pair.name,
        test=test,
        template=_template(pair.template) if template is None else template,
        score_map=dark if inspection.score_map is None else inspection.score_map,
        detected=boxes.boxes,
        annotated=boxes.truth,
    )


def recipe_of(pair: AnnotatedPair, threshold: float | None) -> Recipe:
    """A recipe with the product's default limits for one pair. Raises RecipeError or ImageError, naming the pair."""
    try:
        return Recipe(
            name="evaluation",
            version="1",
            template=_template(pair.template),
            region=pair.region,
            mm_per_px=pair.mm_per_px,
            limits=Limits(threshold=threshold),
        )
    except MatecheckError as error:
        raise type(error)(error.what, where=f"{pair.name}, {error.where}", mend="mend it in the list") from error


@lru_cache(maxsize=1)
def _template(path: Path) -> NDArray[np.uint8]:
    """Of a list with one template for many tests it is read once."""
    return read_image(path)
