import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.cli.main import main
from calibration.scale.board import PNG_DPI, Board
from calibration.scale.measurement import find, measure
from edge_agent.images import read_image, write_image
from edge_agent.inspection.recipe import Recipe

WIDTH, HEIGHT, FOCAL = 800, 600, 2000.0
CAMERA = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]])
BOARD = Board()
REGION = ((200.0, 150.0), (600.0, 150.0), (600.0, 450.0), (200.0, 450.0))
TILTS = [(0.0, 0.0), (0.35, 0.1), (-0.3, 0.2), (0.1, -0.35), (0.2, 0.3)]


def photo(distance: float, k1: float = 0.0, tilt: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.uint8]:
    """What a camera with this lens sees of the board, its middle `distance` mm away; BGR uint8 [600, 800, 3]."""
    pixels_per_mm = 12
    drawn = cv2.copyMakeBorder(
        BOARD.draw(int(BOARD.square_mm * pixels_per_mm)), *[240] * 4, cv2.BORDER_CONSTANT, value=255
    )
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float64), np.arange(HEIGHT, dtype=np.float64))
    pixels = np.column_stack([x.ravel(), y.ravel()])[:, None]
    rays = cv2.undistortPoints(pixels, CAMERA, np.array([k1, 0, 0, 0, 0]))[:, 0]
    turn = cv2.Rodrigues(np.array([*tilt, 0.0]))[0]
    middle = np.array(BOARD.size_mm) / 2
    shift = np.array([0, 0, distance]) - turn @ np.array([*middle, 0])
    hit = np.column_stack([rays, np.ones(len(rays))]) @ np.linalg.inv(np.column_stack([turn[:, :2], shift])).T
    places = (hit[:, :2] / hit[:, 2:] * pixels_per_mm + 240 - 0.5).astype(np.float32).reshape(HEIGHT, WIDTH, 2)
    seen = cv2.remap(cv2.GaussianBlur(drawn, (0, 0), 2), places, None, cv2.INTER_LINEAR, borderValue=255)
    noise = np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH, 3))
    return np.clip(np.repeat(seen[..., None], 3, axis=2) * 0.9 + noise, 0, 255).astype(np.uint8)


def recipe() -> Recipe:
    return Recipe("x2", "3", np.zeros((HEIGHT, WIDTH, 3), np.uint8), REGION)


@pytest.mark.parametrize("k1", [0.0, -0.3, 0.4])
def test_one_flat_photo_gives_the_scale_whatever_the_lens(k1: float) -> None:
    distance = 220.0
    measured = measure([find(BOARD, photo(distance, k1), "flat")], recipe())
    assert measured.mm_per_px == pytest.approx(distance / FOCAL, rel=0.01)
    middle = replace(recipe(), region=((380.0, 280.0), (420.0, 280.0), (420.0, 320.0), (380.0, 320.0)))
    assert measure([find(BOARD, photo(distance, k1), "flat")], middle).mm_per_px == pytest.approx(0.11, rel=0.003)
    assert measured.rms_px < 0.35
    assert measured.square_error_mm < 0.05
    assert measured.tilt_degrees < 1.5
    assert measured.covered > 0.95


def test_tilted_photos_tell_the_lens() -> None:
    k1 = -0.35
    views = [find(BOARD, photo(240.0, k1, tilt), str(tilt)) for tilt in TILTS]
    measured = measure(views, recipe())
    assert measured.mm_per_px == pytest.approx(240.0 / FOCAL, rel=0.01)
    truth = cv2.undistortPoints(np.array([[[200.0, 150.0]]]), CAMERA, np.array([k1, 0, 0, 0, 0]), P=CAMERA)[0, 0]
    assert measured.bend_px == pytest.approx(float(np.hypot(*(truth - (200, 150)))), abs=0.5)
    assert measured.bend_mm == pytest.approx(measured.bend_px * measured.mm_per_px)
    assert measured.rms_mm == pytest.approx(measured.rms_px * measured.mm_per_px)


@pytest.mark.parametrize("tilt", [(0.2, 0.0), (0.0, 0.2), (0.14, 0.14)])
def test_what_a_tilted_board_says_to_vary_is_the_worst_of_all_directions(tilt: tuple[float, float]) -> None:
    measured = measure([find(BOARD, photo(220.0, tilt=tilt), "tilted")], recipe())
    across = 1 / np.cos(np.hypot(*tilt))  # longer by so much against the direction around which it is tilted
    assert measured.most / measured.least > across
    assert measured.spread > (across - 1) / 2


def test_the_scale_is_written_into_the_recipe_with_a_new_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe().save(tmp_path / "x2")
    write_image(tmp_path / "flat.png", photo(220.0))
    assert main(["scale", str(tmp_path / "x2"), str(tmp_path / "flat.png")]) == 0
    assert Recipe.load(tmp_path / "x2").mm_per_px is None
    assert main(["scale", str(tmp_path / "x2"), str(tmp_path / "flat.png"), "--ruler-mm", "99", "--write"]) == 0
    written = Recipe.load(tmp_path / "x2")
    assert written.mm_per_px == pytest.approx(0.11 * 0.99, rel=0.005)
    assert written.version == "4"
    shown = capsys.readouterr().out
    assert "mm in the region" in shown
    assert "one of 1 mm by 0.0" in shown
    assert "nothing is straightened: this and what varies is left in every result" in shown
    assert "corners" in shown


def test_a_tilted_board_is_measured_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe().save(tmp_path / "x2")
    write_image(tmp_path / "tilted.png", photo(220.0, tilt=(0.5, 0.0)))
    assert main(["scale", str(tmp_path / "x2"), str(tmp_path / "tilted.png"), "--write"]) == 1
    assert "varies too much over the region" in capsys.readouterr().out
    assert Recipe.load(tmp_path / "x2").mm_per_px is None


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.full((HEIGHT, WIDTH, 3), 128, np.uint8), "shows 0 corners"),
        (np.zeros((300, 400, 3), np.uint8), "has 400 × 300 pixels, the recipe's template 800 × 600"),
    ],
)
def test_a_photo_without_a_board_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], picture: NDArray[np.uint8], said: str
) -> None:
    recipe().save(tmp_path / "x2")
    write_image(tmp_path / "photo.png", picture)
    assert main(["scale", str(tmp_path / "x2"), str(tmp_path / "photo.png")]) == 2
    assert said in capsys.readouterr().err


def test_the_printed_board_has_its_true_size(tmp_path: Path) -> None:
    assert main(["scale", "--print", str(tmp_path / "board.png"), "--square-mm", "10"]) == 0
    view = find(Board(square_mm=10), read_image(tmp_path / "board.png"), "page")
    width = np.ptp(view.pixels[:, 0]) / PNG_DPI * 25.4
    assert width == pytest.approx(100.0, abs=0.1)
    assert len(view.pixels) == 88
    assert main(["scale", "--print", str(tmp_path / "board.pdf"), "--square-mm", "10"]) == 0
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "board.pdf").read_bytes())
    assert box
    assert [float(side) / 72 * 25.4 for side in box.groups()] == pytest.approx([297, 210], abs=0.1)


@pytest.mark.parametrize("wrong", [["--square-mm", "30"], ["--squares", "12"], ["--squares", "2x2"]])
def test_boards_that_cannot_be_printed_are_refused(tmp_path: Path, wrong: list[str]) -> None:
    assert main(["scale", "--print", str(tmp_path / "board.pdf"), *wrong]) == 2
    assert not (tmp_path / "board.pdf").exists()
