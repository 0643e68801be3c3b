from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.errors import ImageError, RecipeError
from edge_agent.inspection.recipe import Limits, Recipe
from edge_agent.inspection.region import parse_region, region_from_mask
from tests.support.scenes import REGION, connector

TEMPLATE = connector()
RECIPE = Recipe("x2", "3", TEMPLATE, REGION, 0.0125, Limits(0.4, 0.1, 5.0), (1.0, 0.5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RECIPE.save(tmp_path / "x2")
    return tmp_path / "x2"


def test_a_saved_recipe_is_loaded_as_it_was(folder: Path) -> None:
    loaded = Recipe.load(folder)
    assert loaded.region == REGION
    assert (loaded.name, loaded.version, loaded.mm_per_px, loaded.scales) == ("x2", "3", 0.0125, (1.0, 0.5))
    assert loaded.limits == RECIPE.limits
    np.testing.assert_array_equal(loaded.template, TEMPLATE)


def test_a_recipe_is_on_disk_before_it_stands_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []

    def fsync(handle: int) -> None:
        place = Path(f"/proc/self/fd/{handle}").readlink()
        flushed.append(f"{place.name} {(tmp_path / 'x2').exists()}")

    monkeypatch.setattr(os, "fsync", fsync)
    RECIPE.save(tmp_path / "x2")
    assert sorted(flushed[:3]) == ["new False", "recipe.toml False", "template.png False"]
    assert flushed[3:] == [f"{tmp_path.name} True"]


def test_further_templates_are_saved_and_loaded(tmp_path: Path) -> None:
    others = (connector()[::-1].copy(), TEMPLATE // 2)
    replace(RECIPE, others=others).save(tmp_path / "x2")
    for loaded, saved in zip(Recipe.load(tmp_path / "x2").others, others, strict=True):
        np.testing.assert_array_equal(loaded, saved)
    RECIPE.save(tmp_path / "x2", overwrite=True)
    assert Recipe.load(tmp_path / "x2").others == ()


def test_a_further_template_of_another_size_is_refused(folder: Path) -> None:
    cv2.imwrite(str(folder / "template-2.png"), TEMPLATE[:-10])
    with pytest.raises(RecipeError, match=r'template-2\.png = "400 × 270 pixels": must have 400 × 280 pixels'):
        Recipe.load(folder)


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda s: s.strip() and s.isprintable()),
    mm_per_px=st.none() | st.floats(1e-4, 10),
    threshold=st.none() | st.floats(0.01, 1),
    region=st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=2, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_what_a_recipe_says_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    mm_per_px: float | None,
    threshold: float | None,
    region: list[tuple[float, float]],
) -> None:
    corners = ((0.0, 0.0), (64.0, 0.0), (64.0, 64.0), *region)
    try:
        recipe = Recipe(name, "1", TEMPLATE[:64, :64], corners, mm_per_px, Limits(threshold))
    except RecipeError:
        return  # a polygon without an area
    folder = tmp_path_factory.mktemp("recipes") / "r"
    recipe.save(folder)
    loaded = Recipe.load(folder)
    assert (loaded.name, loaded.mm_per_px, loaded.limits) == (name, mm_per_px, recipe.limits)
    np.testing.assert_allclose(loaded.region, corners, atol=1e-3)


def test_saving_leaves_nothing_behind_and_overwrites_only_when_told(folder: Path) -> None:
    with pytest.raises(RecipeError, match="is there already"):
        RECIPE.save(folder)
    RECIPE.save(folder, overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["x2"]
    assert sorted(path.name for path in folder.iterdir()) == ["recipe.toml", "template.png"]


def test_a_folder_that_is_no_recipe_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "precious.txt").write_text("x")
    with pytest.raises(RecipeError, match="is no recipe"):
        RECIPE.save(tmp_path / "photos", overwrite=True)
    assert (tmp_path / "photos" / "precious.txt").exists()


def test_other_files_in_a_recipe_folder_are_never_lost(folder: Path) -> None:
    (folder / "photo.png").write_text("x")
    with pytest.raises(RecipeError, match=r"photo\.png"):
        RECIPE.save(folder, overwrite=True)
    assert (folder / "photo.png").exists()


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 9000])
def test_what_is_no_toml_is_one_clear_error(folder: Path, text: str) -> None:
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="is not TOML"):
        Recipe.load(folder)


def test_a_recipe_edited_in_another_encoding_is_named_with_its_line(folder: Path) -> None:
    edited = folder / "recipe.toml"
    edited.write_bytes(b"\n# Pr\xfcfung\n" + edited.read_bytes())
    with pytest.raises(RecipeError, match=r"recipe\.toml:2: not UTF-8: byte 0xfc; save the file as UTF-8$"):
        Recipe.load(folder)


def test_a_recipe_edited_with_a_windows_editor_is_read(folder: Path) -> None:
    edited = folder / "recipe.toml"
    edited.write_bytes(b"\xef\xbb\xbf" + edited.read_bytes().replace(b"\n", b"\r\n"))
    assert Recipe.load(folder).mm_per_px == RECIPE.mm_per_px


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "x2"', 'name = ""', r'name = "": must be a text'),
        ('name = "x2"', "", "name: is missing"),
        ("mm_per_px = 0.0125", "mm_per_px = -1", "mm_per_px = -1: must be above 0"),
        ("mm_per_px = 0.0125", "mm_per_px = inf", "mm_per_px = inf: must be above 0"),
        ("mm_per_px = 0.0125", 'mm_per_px = "wide"', r'mm_per_px = "wide": must be a number'),
        ("mm_per_px", "mm_per_pixel", "mm_per_pixel: unknown key; the keys are name"),
        ("threshold = 0.4", "threshold = 1.5", "limits.threshold = 1.5: must be above 0 and at most 1"),
        ("min_length_mm", "max_length_mm", "limits.max_length_mm: unknown key"),
        ("scales = [1, 0.5]", "scales = []", "scales = .*: must hold one to four"),
        ("scales = [1, 0.5]", "scales = [2]", "scales = 2: must be above"),
        ("[340, 60]", "[3400, 60]", "region = .* is outside the image of 400 × 280 pixels"),
        ("[340, 60]", "[340]", r"region = .*must be a list of corners \[x, y\]"),
        ("[340, 60]", '["a", 60]', r'region = "a": must be a number'),
        ("[limits]", "[limits", "is not TOML"),
    ],
)
def test_a_wrong_value_is_named_with_file_key_and_value(folder: Path, old: str, new: str, complaint: str) -> None:
    path = folder / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError, match=complaint) as caught:
        Recipe.load(folder)
    assert str(path) in str(caught.value)
    assert caught.value.mend
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_and_a_missing_or_broken_template_are_told(folder: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        Recipe.load(folder / "nowhere")
    (folder / "template.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="is broken"):
        Recipe.load(folder)
    (folder / "template.png").unlink()
    with pytest.raises(ImageError, match="No such file"):
        Recipe.load(folder)


def test_a_region_is_read_from_text() -> None:
    assert parse_region("1,2 3.5,4  5,6") == ((1.0, 2.0), (3.5, 4.0), (5.0, 6.0))
    assert parse_region("  ") == ()


@pytest.mark.parametrize(
    "text", ["1,2 3,4", "1,2 3,4 5", "1,2 3,4 5,x", "1,2 3,4 5,nan", "1 2 3 4 5 6", "1,2,3 4,5 6,7"]
)
def test_a_text_that_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="region"):
        parse_region(text)


def test_the_largest_white_area_of_a_mask_is_the_region() -> None:
    mask = np.zeros((280, 400, 3), np.uint8)
    cv2.circle(mask, (200, 140), 60, (255, 255, 255), -1)
    mask[5:15, 5:15] = 255
    region = np.array(region_from_mask(mask), np.float32)
    assert len(region) < 40
    assert cv2.contourArea(region) == pytest.approx(np.pi * 60**2, rel=0.03)
    with pytest.raises(RecipeError, match="no white area"):
        region_from_mask(np.zeros((50, 50), np.uint8))
