"""Parts in any pose: a network that judges one picture, a recipe without registration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.engines import load_engine
from edge_agent.errors import ModelError, RecipeError
from edge_agent.inspection.inspection import Verdict
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from tests.support.models import write_bright_model, write_difference_model


def surface(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """A textured surface: no two pictures of it can be registered."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3)).astype(np.float32)
    return np.clip(65 + 60 * cv2.GaussianBlur(noise, (0, 0), 2), 20, 110).astype(np.uint8)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("surface", "1", surface(0), register=False)


def test_a_surface_that_no_template_fits_is_ok(tmp_path: Path, recipe: Recipe) -> None:
    inspector = Inspector(load_engine(write_bright_model(tmp_path / "m.onnx")))
    inspection = inspector.inspect(surface(1), recipe)
    assert inspection.verdict is Verdict.OK


def test_an_anomaly_is_found_where_it_is_though_the_network_sees_another_size(tmp_path: Path, recipe: Recipe) -> None:
    inspector = Inspector(load_engine(write_bright_model(tmp_path / "m.onnx", size=32)))
    part = surface(1)
    part[24:48, 64:96] = 140
    inspection = inspector.inspect(part, recipe)
    assert inspection.verdict is Verdict.NG
    assert inspection.components_total == 1
    assert inspection.score_map is not None
    assert inspection.score_map.shape == part.shape[:2]
    x0, y0, x1, y1 = inspection.components[0].bbox_px
    assert np.abs(np.array([x0, y0, x1, y1]) - (64, 24, 96, 48)).max() <= 4


def test_only_the_region_is_seen(tmp_path: Path, recipe: Recipe) -> None:
    inspector = Inspector(load_engine(write_bright_model(tmp_path / "m.onnx")))
    part = surface(1)
    part[:16, :16] = 140
    within = replace(recipe, region=((40.0, 30.0), (120.0, 30.0), (120.0, 90.0), (40.0, 90.0)))
    assert inspector.inspect(part, within).verdict is Verdict.OK
    assert inspector.inspect(part, recipe).verdict is Verdict.NG


def test_a_picture_too_dark_is_still_refused(tmp_path: Path, recipe: Recipe) -> None:
    inspector = Inspector(load_engine(write_bright_model(tmp_path / "m.onnx")))
    inspection = inspector.inspect(np.zeros((96, 128, 3), np.uint8), recipe)
    assert inspection.verdict is Verdict.ERROR
    assert inspection.reasons[0].code == "too-dark"


def test_a_network_for_pairs_never_judges_without_registration(tmp_path: Path, recipe: Recipe) -> None:
    inspector = Inspector(load_engine(write_difference_model(tmp_path / "m.onnx", height=32, width=32)))
    inspection = inspector.inspect(surface(0), recipe)
    assert inspection.verdict is Verdict.ERROR
    assert inspection.reasons[0].code == "wrong-model"


def test_a_network_with_tiles_sees_the_picture_at_native_size(tmp_path: Path, recipe: Recipe) -> None:
    inspector = Inspector(load_engine(write_bright_model(tmp_path / "m.onnx", size=32, view="tiles")))
    part = surface(1)
    part[50:53, 60:80] = 140
    inspection = inspector.inspect(part, replace(recipe, scales=(1.0,)))
    assert inspection.components[0].bbox_px == (60, 50, 80, 53)


def test_a_view_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match='view must be "tiles" or "whole"'):
        load_engine(write_bright_model(tmp_path / "m.onnx", view="half"))


def test_a_recipe_without_registration_survives_the_disk(tmp_path: Path, recipe: Recipe) -> None:
    recipe.save(tmp_path / "recipe")
    assert not Recipe.load(tmp_path / "recipe").register
    text = (tmp_path / "recipe" / "recipe.toml").read_text(encoding="utf-8")
    (tmp_path / "recipe" / "recipe.toml").write_text(
        text.replace("register = false", 'register = "no"'), encoding="utf-8"
    )
    with pytest.raises(RecipeError, match="must be true or false"):
        Recipe.load(tmp_path / "recipe")
