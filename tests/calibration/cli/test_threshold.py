from __future__ import annotations

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.cli.main import main
from edge_agent.images import read_image
from edge_agent.inspection.components import MAX_COMPONENTS
from edge_agent.inspection.recipe import Limits, Recipe
from tests.support.calibrate_process import PROGRAM
from tests.support.models import write_difference_model
from tests.support.scenes import REGION, connector, motion, moved, noisy, with_object

TEMPLATE = connector()


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six clean parts, one of them with a mark 9 px long, and three bad ones with an object 26 px long."""
    monkeypatch.chdir(tmp_path)
    write_difference_model(tmp_path / "m.onnx", height=192, width=256)
    Recipe("x2", "1", TEMPLATE, REGION, limits=Limits(min_length_px=6)).save(tmp_path / "x2")
    for number in range(6):
        clean = noisy(moved(TEMPLATE, motion(TEMPLATE, (number / 2, -1))), seed=number)
        if number == 5:
            clean = with_object(clean, (150, 130, 159, 135))
        cv2.imwrite(f"clean{number}.png", clean)
        if number < 3:
            cv2.imwrite(f"bad{number}.png", with_object(clean, (180, 120 + 9 * number, 206, 128 + 9 * number)))
    return tmp_path


def threshold(*arguments: str) -> int:
    return main(["threshold", "x2", "--model", "m.onnx", *arguments])


CLEAN = ["--clean", *(f"clean{number}.png" for number in range(6))]
BAD = ["--bad", *(f"bad{number}.png" for number in range(3))]


def test_a_setting_that_keeps_the_rate_stays(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert threshold("--clean", "clean0.png", "clean1.png", "clean2.png", *BAD, "--false-rejects", "0.2") == 1
    said = capsys.readouterr()
    assert "threshold  0.5, as it is" in said.out
    assert "limit      6 px, as it is" in said.out
    assert "0 of 3 (0.0%; with 95 % confidence 0.0% to 70.8%) clean parts" in said.out
    assert "finds      3 of 3" in said.out
    assert "3 clean parts are too few" in said.err
    assert "it takes 17 with none of them rejected" in said.err


def with_glint(file: str, length: int, brighter: int) -> None:
    """A mark over the photo that is brighter than its surroundings by so much: what shines otherwise on this part."""
    photo = read_image(Path(file))
    photo[100:106, 150 : 150 + length] += np.uint8(brighter)
    cv2.imwrite(file, photo)


def test_where_no_threshold_keeps_the_rate_the_limit_is_raised(parts: Path) -> None:
    assert threshold(*CLEAN, *BAD, "--write") == 1
    limits = Recipe.load(Path("x2")).limits
    assert limits.threshold == 0.5
    assert 9 < limits.min_length_px <= 13


def test_where_the_limit_is_raised_another_threshold_may_find_more_with_a_smaller_one(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_glint("clean4.png", length=40, brighter=61)  # at 0.5 longer than any bad part's object; scores 0.7
    assert threshold(*CLEAN, *BAD, "--write") == 1
    assert "finds      3 of 3" in capsys.readouterr().out
    limits = Recipe.load(Path("x2")).limits
    assert limits.threshold is not None
    assert limits.threshold > 0.6
    assert 9 < limits.min_length_px <= 13


def test_without_bad_parts_no_threshold_is_taken_at_which_nobody_knows_what_is_lost(parts: Path) -> None:
    with_glint("clean4.png", length=40, brighter=69)  # scores up to 0.85
    assert threshold(*CLEAN, "--write") == 1
    limits = Recipe.load(Path("x2")).limits
    assert limits.threshold == 0.5
    assert limits.min_length_px > 35


def test_what_is_written_is_another_version_of_the_recipe(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert threshold(*CLEAN) == 1
    assert Recipe.load(Path("x2")).version == "1"
    assert threshold(*CLEAN, "--write") == 1
    assert Recipe.load(Path("x2")).version == "2"
    assert "written to x2, now version 2;" in capsys.readouterr().err


def test_the_command_chooses_writes_and_then_judges_as_it_said(parts: Path) -> None:
    with_glint("clean4.png", length=40, brighter=61)
    command = [*PROGRAM, "threshold", "x2", "--model", "m.onnx", *CLEAN, *BAD, "--write"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "6 clean parts are too few" in ended.stderr
    assert "rejects    0 of 6" in ended.stdout
    inspect = [PROGRAM[0], "-m", "edge_agent.cli.main", "inspect", "--recipe", "x2", "--model", "m.onnx", "--json"]
    judged = subprocess.run([*inspect, *CLEAN[1:], *BAD[1:]], capture_output=True, text=True, timeout=120, check=False)
    results = [json.loads(line) for line in judged.stdout.splitlines()]
    assert [result["verdict"] for result in results] == ["OK"] * 6 + ["NG"] * 3
    assert {result["recipe_version"] for result in results} == {"2"}


def test_the_longest_object_counts_however_many_there_are(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = TEMPLATE.copy()
    specks = [(x, y) for y in range(72, 208, 9) for x in range(72, 328, 20)]
    assert len(specks) > MAX_COMPONENTS
    for x, y in specks:
        many[y : y + 4, x : x + 7] += np.uint8(120)
    many[72:76, 72:112] = TEMPLATE[72:76, 72:112] + np.uint8(72)  # the longest scores least
    cv2.imwrite("many.png", many)
    assert threshold("--clean", "many.png", "--json") == 1
    assert json.loads(capsys.readouterr().out)["limit"] > 38


def test_a_wish_that_allows_one_reject_keeps_the_limit_and_names_the_part(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert threshold(*CLEAN, "--false-rejects", "0.2") == 1
    said = capsys.readouterr().out
    assert "limit      6 px, as it is" in said
    assert "would be NG  clean5.png: the longest object is" in said


def test_the_outcome_for_machines_and_the_picture(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert threshold(*CLEAN, *BAD, "--json", "--picture", "rates.png") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["unit"] == "px"
    assert said["found"]["count"] == 3
    assert said["false_rejects"]["of"] == 6
    assert cv2.imread("rates.png").std() > 10


def test_photos_that_cannot_be_inspected_are_left_out_and_named(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite("dark.png", TEMPLATE // 10)
    assert threshold("--clean", "clean0.png", "dark.png") == 1
    said = capsys.readouterr().out
    assert "left out   dark.png: brightness" in said
    assert "rejects    0 of 1 " in said
    counted = "they count neither as rejected nor as accepted"
    assert f"errors     1 of 2 clean parts cannot be inspected: never OK at the line, {counted}" in said
    assert threshold("--clean", "clean0.png", "--bad", "dark.png", "bad0.png", "--json") == 1
    said_to_machines = json.loads(capsys.readouterr().out)
    assert said_to_machines["found"]["of"] == 1
    assert said_to_machines["not_inspected"] == {"clean": 0, "bad": 1}
    assert threshold("--clean", "dark.png") == 2
    assert "none of the 1 photos of clean parts can be inspected" in capsys.readouterr().err


def test_enough_parts_prove_the_rate(parts: Path) -> None:
    for number in range(17):
        cv2.imwrite(f"more{number}.png", noisy(TEMPLATE, seed=100 + number))
    clean = [f"more{number}.png" for number in range(17)]
    assert threshold("--clean", *clean, "--false-rejects", "0.2") == 0
    assert threshold("--clean", *clean[:16], "--false-rejects", "0.2") == 1


def test_a_picture_counts_once_and_a_template_not_at_all(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite("taught.png", TEMPLATE)
    Path("copy.png").write_bytes(Path("clean0.png").read_bytes())
    given = ("clean0.png", "clean1.png", "clean0.png", "copy.png", "taught.png")
    assert threshold("--clean", *given, "--bad", "bad0.png", "clean1.png") == 1
    said = capsys.readouterr().out
    assert "left out   taught.png: the same picture as a template of the recipe" in said
    assert said.count("the same picture as clean0.png") == 2
    assert "left out   clean1.png: the same picture as clean1.png" in said
    assert "0 of 2" in said
    assert "1 of 1" in said


def test_a_picture_of_another_kind_is_refused_before_any_photo_is_inspected(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert threshold("--clean", "none.png", "--picture", "rates.txt") == 2
    assert capsys.readouterr() == ("", "calibrate: rates.txt: is neither .png nor .pdf; name it rates.png\n")


def test_an_error_is_one_line_and_no_empty_one(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert threshold("--clean", "none.png") == 2
    assert capsys.readouterr().err.startswith("calibrate: none.png: cannot be read")
