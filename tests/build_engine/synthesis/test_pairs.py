from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from build_engine.cli.main import main
from build_engine.synthesis import fills, shapes
from build_engine.synthesis.backgrounds import Background, drawing
from build_engine.synthesis.disturbances import random_motion, vary_surfaces
from build_engine.synthesis.pairs import PAPER, RECIPES, Recipe, synthesise
from build_engine.synthesis.photographs import Photographs
from edge_agent.errors import ImageError
from tests.support.photographs import write_photographs


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    return Photographs(write_photographs(tmp_path_factory.mktemp("photographs")))


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_sample_depends_on_seed_and_index_alone(photographs: Photographs, name: str) -> None:
    for index in range(6):
        one, again = (synthesise(photographs, RECIPES[name], 3, index) for _ in range(2))
        other = synthesise(photographs, RECIPES[name], 4, index)
        assert all(np.array_equal(getattr(one, part), getattr(again, part)) for part in ("test", "template", "mask"))
        assert not np.array_equal(one.test, other.test)


def test_samples_keep_size_and_type(photographs: Photographs) -> None:
    for index in range(30):
        sample = synthesise(photographs, Recipe(size=192), 0, index)
        assert sample.test.shape == sample.template.shape == (192, 192, 3)
        assert sample.mask.shape == (192, 192)
        assert sample.test.dtype == sample.template.dtype == sample.mask.dtype == np.uint8
        assert set(np.unique(sample.mask)) <= {0, 1}


def test_about_one_pair_in_twelve_is_clean_and_the_others_are_not(photographs: Photographs) -> None:
    clean = sum(not synthesise(photographs, Recipe(size=128), 1, index).mask.any() for index in range(100))
    assert 3 <= clean <= 30  # differences may also fall outside the sample or change nothing


def test_differences_can_be_put_on_edges(photographs: Photographs) -> None:
    def slope_below(share: float) -> float:
        """Mean steepness of what the differences cover."""
        recipe = Recipe(size=128, clean_share=0.0, binary_share=1.0, swapped_share=0.0, edge_share=share)
        slopes = []
        for index in range(30):
            sample = synthesise(photographs, replace(recipe, shapes=((small, 1.0),)), 6, index)
            grey = cv2.cvtColor(sample.template, cv2.COLOR_BGR2GRAY)
            slopes.append(cv2.Laplacian(grey, cv2.CV_32F, ksize=5)[sample.mask > 0])
        return float(np.abs(np.concatenate(slopes)).mean())

    def small(rng: np.random.Generator, _: float) -> shapes.Mask:
        return shapes.ellipse(rng, 8)

    assert slope_below(1.0) > 1.5 * slope_below(0.0)


def test_contacts_that_shine_otherwise_are_no_difference(photographs: Photographs) -> None:
    recipe = Recipe(size=128, clean_share=1.0, drawn_share=1.0, binary_share=0.0, surfaces_share=1.0)
    samples = [synthesise(photographs, recipe, 5, index) for index in range(20)]
    assert not any(sample.mask.any() for sample in samples)
    differing = [cv2.absdiff(sample.test, sample.template).max() for sample in samples]
    assert np.median(differing) > 60


def test_a_drawing_in_other_light_keeps_its_edges(photographs: Photographs) -> None:
    compared = 0
    for seed in range(30):
        one, other = drawing(np.random.default_rng(seed), photographs.crop(np.random.default_rng(seed), 160))
        edges, edges_of_other = (cv2.Canny(cv2.GaussianBlur(picture, (0, 0), 2), 60, 120) for picture in (one, other))
        if not (one != other).any() or not edges_of_other.any():
            continue
        near = cv2.dilate(edges, np.ones((9, 9), np.uint8)) > 0
        compared += (near[edges_of_other > 0]).mean() > 0.6
    assert compared >= 12


def test_the_mask_marks_what_changed_and_nothing_else(photographs: Photographs) -> None:
    from build_engine.synthesis.pairs import _with_differences

    rng = np.random.default_rng(0)
    clean = photographs.crop(rng, 200)
    marked, all_changed = 0, 0
    for _ in range(20):
        image, mask = _with_differences(rng, Background(clean, clean), photographs, Recipe(clean_share=0))
        changed = cv2.absdiff(image, clean).max(axis=2) > Recipe.visible
        near = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert not (mask[~near]).any()
        marked, all_changed = marked + int(mask[changed].sum()), all_changed + int(changed.sum())
    assert marked > 0.85 * all_changed  # the rest are the soft edges of shapes, which lie outside their masks


@pytest.mark.parametrize("shape", [kind for kind, _ in shapes.MIXTURE])
def test_shapes_are_of_the_size_asked_for(shape: shapes.Shape) -> None:
    rng = np.random.default_rng(0)
    for size in (4.0, 12.0, 60.0, 170.0):
        for _ in range(20):
            mask = shape(rng, size)
            assert mask.dtype == np.uint8
            assert mask.any()
            limit = 8.5 * size + 60 if shape is shapes.line else 2.2 * size + 8
            assert max(mask.shape) <= limit


@pytest.mark.parametrize("fill", [kind for kind, _ in fills.MIXTURE])
def test_fills_keep_the_patch_size(fill: fills.Fill) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for height, width in ((1, 1), (3, 20), (40, 64)):
        below = picture[:height, :width].astype(np.float32)
        patch = fill(rng, below, below[::-1].copy(), picture)
        assert patch.shape == below.shape
        assert patch.dtype == np.float32
        assert np.isfinite(patch).all()


def test_motion_stays_within_its_bounds() -> None:
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:128, :128]
    motions = [random_motion(rng, 128, 0.2, 5.0) for _ in range(200)]
    moved = [np.hypot(m.x - xs, m.y - ys).max() for m in motions if m]
    assert 25 <= 200 - len(moved) <= 60  # one in five stays aligned
    assert max(moved) < 20


def test_varied_material_keeps_edges_where_they_are(photographs: Photographs) -> None:
    rng = np.random.default_rng(1)
    image = photographs.crop(rng, 128)
    varied = vary_surfaces(rng, image)
    assert not np.array_equal(varied, image)
    edges = [cv2.Laplacian(cv2.cvtColor(i, cv2.COLOR_BGR2GRAY), cv2.CV_32F, ksize=5).ravel() for i in (image, varied)]
    assert np.corrcoef(*edges)[0, 1] > 0.8


def test_the_papers_recipe_has_its_numbers() -> None:
    assert PAPER.differences == (12, 19)
    assert PAPER.largest_shift == 10


def test_a_folder_without_photographs_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError, match="no photographs"):
        Photographs(tmp_path)
    assert main(["samples", "--photographs", str(tmp_path / "missing"), "--output", str(tmp_path / "s.png")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_command_draws_a_contact_sheet(tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "photographs", 5)
    sheet = tmp_path / "sheet.png"
    assert main(["samples", "--photographs", str(folder), "--count", "5", "--output", str(sheet)]) == 0
    assert cv2.imread(str(sheet)).shape == (2 * 268, 4 * 780, 3)
