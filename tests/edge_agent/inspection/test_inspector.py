from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.engines import Engine, load_engine
from edge_agent.inspection import quality
from edge_agent.inspection.components import MAX_COMPONENTS
from edge_agent.inspection.inspection import Verdict
from edge_agent.inspection.inspector import Inspector, Seen, conclude
from edge_agent.inspection.recipe import Limits, Recipe
from edge_agent.inspection.registration import Registered
from edge_agent.inspection.tiles import TileScores, plan
from tests.support.models import write_difference_model
from tests.support.scenes import REGION, connector, motion, moved, noisy, with_object

TEMPLATE = connector()
RECIPE = Recipe("x2", "1", TEMPLATE, REGION, 0.01, Limits(min_length_mm=0.1))
BOX = (180, 130, 204, 142)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    path = tmp_path_factory.mktemp("models") / "m.onnx"
    return load_engine(write_difference_model(path, height=192, width=256), threads=1)


@pytest.fixture
def inspector(engine: Engine) -> Inspector:
    return Inspector(engine)


def test_a_clean_part_is_ok(inspector: Inspector) -> None:
    inspection = inspector.inspect(noisy(moved(TEMPLATE, motion(TEMPLATE, (4.4, -7.2), 1.5))), RECIPE)
    assert (inspection.verdict, inspection.reasons, inspection.components_total) == (Verdict.OK, (), 0)


def test_an_object_is_found_where_it_is_and_measured(inspector: Inspector) -> None:
    test = with_object(noisy(moved(TEMPLATE, motion(TEMPLATE, (5.5, 3.25), -1.0))), BOX)
    inspection = inspector.inspect(test, RECIPE)
    assert inspection.verdict is Verdict.NG
    assert inspection.reasons[0].text.startswith("1 object, 0.2")
    assert inspection.reasons[0].text.endswith("mm long, limit 0.10 mm")
    component = inspection.components[0]
    np.testing.assert_allclose(component.bbox_px, BOX, atol=2)
    assert component.length_mm == pytest.approx(0.24, abs=0.03)
    assert inspection.score == component.score
    assert set(inspection.timing_ms) == {"quality", "alignment", "inference", "components"}


def test_the_score_map_covers_the_frame_and_is_dark_outside_the_region(inspector: Inspector) -> None:
    test = with_object(with_object(TEMPLATE, BOX), (5, 5, 40, 40))
    inspection = inspector.inspect(test, RECIPE)
    assert inspection.score_map is not None
    assert inspection.aligned_template is not None
    assert inspection.score_map.shape == TEMPLATE.shape[:2]
    assert inspection.aligned_template.shape == TEMPLATE.shape
    assert inspection.score_map[:58].max() == inspection.score_map[:, :58].max() == 0
    assert inspection.score_map[136, 190] > 0.9
    assert inspection.components_total == 1


def test_the_region_moves_along_with_the_part(inspector: Inspector) -> None:
    recipe = replace(RECIPE, region=((70.0, 60.0), (330.0, 60.0), (330.0, 220.0), (70.0, 220.0)))
    shifted = moved(TEMPLATE, motion(TEMPLATE, (15, 0)))
    assert inspector.inspect(with_object(shifted, (337, 140, 343, 150)), recipe).components_total == 1
    assert inspector.inspect(with_object(shifted, (70, 140, 76, 150)), recipe).components_total == 0


def test_without_a_region_the_whole_image_is_inspected(inspector: Inspector) -> None:
    recipe = replace(RECIPE, region=())
    assert inspector.inspect(with_object(TEMPLATE, (3, 262, 15, 274), (0, 0, 255)), recipe).components_total == 1


def test_the_threshold_of_the_recipe_goes_before_the_models(inspector: Inspector) -> None:
    faint = with_object(TEMPLATE, BOX, (100, 95, 120))
    counts = [
        inspector.inspect(faint, replace(RECIPE, limits=Limits(threshold=value))).components_total
        for value in (0.5, 0.9)
    ]
    assert counts == [1, 0]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda image: image[:, :-1], "wrong-size"),
        (lambda image: image[..., 0], "wrong-format"),
        (lambda image: image.astype(np.float32), "wrong-format"),
        (np.zeros_like, "too-dark"),
        (lambda image: np.full_like(image, 255), "too-bright"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 8), "blurred"),
    ],
)
def test_a_picture_that_cannot_be_judged_is_an_error_not_ok(
    inspector: Inspector, spoil: Callable[[np.ndarray], np.ndarray], code: str
) -> None:
    inspection = inspector.inspect(spoil(TEMPLATE), RECIPE)
    assert inspection.verdict is Verdict.ERROR
    assert [reason.code for reason in inspection.reasons] == [code]
    assert inspection.components == ()


def test_another_part_is_an_error_not_ok(inspector: Inspector) -> None:
    rng = np.random.default_rng(1)
    other = cv2.resize(rng.integers(0, 256, (56, 80, 3), np.uint8), (400, 280), interpolation=cv2.INTER_CUBIC)
    inspection = inspector.inspect(other, RECIPE)
    assert inspection.verdict is Verdict.ERROR
    assert inspection.reasons[0].code == "not-registered"
    assert "0.30 is needed" in inspection.reasons[0].text


def test_a_region_that_has_left_the_frame_is_an_error_not_ok(inspector: Inspector) -> None:
    recipe = replace(RECIPE, region=((0.0, 40.0), (200.0, 40.0), (200.0, 240.0), (0.0, 240.0)))
    inspection = inspector.inspect(moved(TEMPLATE, motion(TEMPLATE, (-25, 0))), recipe)
    assert inspection.verdict is Verdict.ERROR
    assert inspection.reasons[0].code == "region-outside"


def test_a_frozen_camera_is_an_error_and_a_part_at_rest_is_not(inspector: Inspector) -> None:
    first = noisy(TEMPLATE, 1)
    assert inspector.inspect(first, RECIPE, previous_digest=quality.digest(first)).reasons[0].code == "frozen"
    assert inspector.inspect(noisy(TEMPLATE, 2), RECIPE, previous_digest=quality.digest(first)).verdict is Verdict.OK


def test_an_engine_that_fails_is_an_error_not_ok(tmp_path: Path) -> None:
    broken = load_engine(write_difference_model(tmp_path / "m.onnx", height=192, width=256))
    broken.close()
    inspection = Inspector(broken).inspect(TEMPLATE, RECIPE)
    assert inspection.verdict is Verdict.ERROR
    assert inspection.reasons[0].code == "engine"


def test_durations_come_from_the_clock_that_is_given(inspector: Inspector) -> None:
    ticks = itertools.count(0, 2_000_000)
    assert set(inspector.inspect(TEMPLATE, RECIPE, clock=lambda: next(ticks)).timing_ms.values()) == {2.0}


def test_two_recipes_in_turn_do_not_mix(inspector: Inspector) -> None:
    other = replace(RECIPE, template=cv2.flip(TEMPLATE, 1))
    for _ in range(2):
        assert inspector.inspect(TEMPLATE, RECIPE).verdict is Verdict.OK
        assert inspector.inspect(other.template, other).verdict is Verdict.OK


def test_without_a_region_what_both_pictures_share_is_inspected(inspector: Inspector) -> None:
    recipe = replace(RECIPE, region=())
    part = moved(TEMPLATE, motion(TEMPLATE, (14, 12)))
    assert inspector.inspect(part, replace(RECIPE, region=((0, 0), (400, 0), (400, 280), (0, 280)))).verdict is (
        Verdict.ERROR
    )
    assert inspector.inspect(part, recipe).verdict is Verdict.OK
    assert inspector.inspect(with_object(part, BOX), recipe).verdict is Verdict.NG


def test_black_on_black_is_an_error_not_ok(inspector: Inspector) -> None:
    nothing = np.zeros_like(TEMPLATE)
    inspection = inspector.inspect(nothing, Recipe("nothing", "1", nothing))
    assert inspection.verdict is Verdict.ERROR
    assert "no edges" in inspection.reasons[0].text
    assert inspector.inspect(with_object(nothing, BOX), Recipe("nothing", "1", nothing)).verdict is Verdict.NG


def test_a_long_object_behind_a_hundred_surer_specks_is_not_ok() -> None:
    scores = np.zeros((600, 600), np.float32)
    for number in range(MAX_COMPONENTS + 20):
        y, x = 20 * (number // 10), 20 * (number % 10)
        scores[y + 5 : y + 12, x + 5 : x + 12] = 0.95
    scores[400:404, 50:350] = 0.6
    image = np.zeros((600, 600, 3), np.uint8)
    recipe = Recipe("x2", "1", image, limits=Limits(min_length_px=20))
    registered = Registered(image, recipe, (0, 0, 600, 600), image, image, (), scores < 0, "", {})
    layout = plan(600, 600, 1.0, (600, 600))
    inspection = conclude(Seen(registered, TileScores((layout,), scores[None], (600, 600)), 0.5, {}))
    assert inspection.verdict is Verdict.NG
    assert inspection.components_total == MAX_COMPONENTS + 21
    assert len(inspection.components) == MAX_COMPONENTS
    assert [component.rejected for component in inspection.components] == [False] * (MAX_COMPONENTS - 1) + [True]
    assert inspection.score == inspection.components[0].score
