from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.cli.main import main
from edge_agent.inspection.recipe import Recipe
from tests.support.models import write_difference_model
from tests.support.scenes import REGION, connector, motion, moved, noisy, with_object

TEMPLATE = connector()
REGION_TEXT = " ".join(f"{x:g},{y:g}" for x, y in REGION)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_difference_model(tmp_path / "m.onnx", height=192, width=256)
    other = noisy(moved(TEMPLATE, motion(TEMPLATE, (3.5, -2), 1)))
    rng = np.random.default_rng(1)
    stranger = cv2.resize(rng.integers(0, 256, (56, 80, 3), np.uint8), (400, 280), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros_like(TEMPLATE)
    cv2.rectangle(mask, (60, 60), (339, 219), (255, 255, 255), -1)
    pictures = {"clean1": TEMPLATE, "clean2": other, "dirty": with_object(other, (180, 130, 204, 142)), "mask": mask}
    for name, image in (pictures | {"stranger": stranger, "small": other[:-9], "black": mask * 0}).items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def teach(*arguments: str) -> int:
    return main(["teach", "--model", "m.onnx", *arguments])


def test_a_recipe_is_made_from_a_photo_and_its_arguments(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--region", REGION_TEXT, "--mm-per-px", "0.0125", "--min-length-mm", "0.1", "--name", "X2 front"]
    assert teach("clean1.png", "--out", "recipes/x2", *arguments) == 0
    recipe = Recipe.load(Path("recipes/x2"))
    assert (recipe.name, recipe.version, recipe.region, recipe.mm_per_px) == ("X2 front", "1", REGION, 0.0125)
    assert recipe.limits.min_length_mm == 0.1
    np.testing.assert_array_equal(recipe.template, TEMPLATE)
    assert "edge-agent inspect --recipe recipes/x2" in capsys.readouterr().out


def test_one_photo_needs_no_model(desk: Path) -> None:
    (desk / "m.onnx").unlink()
    assert teach("clean1.png", "--out", "x2") == 0
    assert Recipe.load(Path("x2")).name == "x2"


def test_further_clean_photos_confirm_the_recipe(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("clean1.png", "clean2.png", "--out", "x2") == 0
    assert capsys.readouterr().err == ""


def test_where_clean_photos_differ_is_tolerated_and_named(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("clean1.png", "clean2.png", "dirty.png", "--out", "x2", "--region", REGION_TEXT) == 0
    said = capsys.readouterr()
    assert "dirty.png: tolerated from now on: " in said.err
    assert "clean2.png" not in said.err  # it differs in nothing, and costs nothing
    assert "2 templates" in said.out
    assert len(Recipe.load(Path("x2")).others) == 1
    arguments = ["--recipe", "x2", "--model", "m.onnx"]
    assert main(["inspect", *arguments, "clean1.png", "clean2.png", "dirty.png"]) == 0


def test_an_object_elsewhere_is_found_under_several_templates(desk: Path) -> None:
    assert teach("clean1.png", "dirty.png", "--out", "x2", "--region", REGION_TEXT) == 0
    elsewhere = with_object(cv2.imread("clean2.png"), (260, 80, 284, 92))
    cv2.imwrite("elsewhere.png", elsewhere)
    assert main(["inspect", "--recipe", "x2", "--model", "m.onnx", "elsewhere.png"]) == 1


def test_more_clean_photos_than_a_recipe_can_hold_is_a_warning(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for number in range(9):
        names.append(f"shiny{number}.png")
        cv2.imwrite(names[-1], with_object(TEMPLATE, (90 + 24 * number, 100, 104 + 24 * number, 114)))
    assert teach("clean1.png", *names, "--out", "x2", "--region", REGION_TEXT) == 1
    assert "shiny8.png: a clean part would be NG: " in capsys.readouterr().err
    assert len(Recipe.load(Path("x2")).others) == 7


def test_the_region_is_drawn_from_a_mask(desk: Path) -> None:
    assert teach("clean1.png", "--out", "x2", "--mask", "mask.png") == 0
    corners = np.array(Recipe.load(Path("x2")).region)
    np.testing.assert_allclose([corners.min(0), corners.max(0)], [(60.5, 60.5), (339.5, 219.5)])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.png"], "cannot be read"),
        (["m.onnx"], "is broken, or no image"),
        (["clean1.png", "stranger.png"], "does not match the template"),
        (["clean1.png", "small.png"], "the image has 400 × 271 pixels, the template 400 × 280"),
        (["clean1.png", "--mask", "black.png"], "no white area"),
        (["clean1.png", "--mask", "small.png"], "has 400 × 271 pixels"),
        (["clean1.png", "--region", "0,0 900,0 900,90"], "is outside the image"),
        (["clean1.png", "--mm-per-px", "0"], "must be above 0"),
        (["clean1.png", "--threshold", "7"], "must be above 0 and at most 1"),
        (["clean1.png", "--name", " "], 'name = " ": must be a text'),
    ],
)
def test_what_cannot_be_a_recipe_is_one_line_and_nothing_is_written(
    desk: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert teach(*arguments, "--out", "x2") == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1
    assert not (desk / "x2").exists()


def test_a_recipe_is_not_overwritten_without_force(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("clean1.png", "--out", "x2") == 0
    assert teach("clean2.png", "--out", "x2") == 2
    assert "give --force" in capsys.readouterr().err
    assert teach("clean2.png", "--out", "x2", "--force", "--recipe-version", "2") == 0
    assert Recipe.load(Path("x2")).version == "2"


def test_a_limit_in_mm_that_does_not_count_yet_is_said(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert teach("clean1.png", "--out", "a", "--min-length-mm", "0.1") == 0
    told = "edge-agent: min_length_mm counts as soon as mm_per_px is known; until then objects from 4 px are NG\n"
    assert capsys.readouterr().err == told
    assert teach("clean1.png", "--out", "b", "--min-length-mm", "0.1", "--mm-per-px", "0.02") == 0
    assert capsys.readouterr().err == ""
