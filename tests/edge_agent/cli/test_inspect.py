from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.cli.main import main
from edge_agent.inspection.recipe import Limits, Recipe
from edge_agent.pair_list import Pair, output_names
from tests.support.models import write_difference_model
from tests.support.scenes import REGION, connector, motion, moved, noisy, with_object

TEMPLATE = connector()
REGION_TEXT = " ".join(f"{x:g},{y:g}" for x, y in REGION)
BOX = (180, 130, 204, 142)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model, a template, a clean and a dirty part, and pictures that cannot be judged."""
    write_difference_model(tmp_path / "m.onnx", height=192, width=256)
    clean = noisy(moved(TEMPLATE, motion(TEMPLATE, (3.5, -2))))
    for name, image in {
        "template": TEMPLATE,
        "clean": clean,
        "dirty": with_object(clean, BOX),
        "small": clean[:-20, :-20],
        "black": clean * 0,
    }.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    (tmp_path / "broken.png").write_bytes((tmp_path / "clean.png").read_bytes()[:300])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "link").symlink_to(".")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inspect(*arguments: str | Path) -> int:
    return main(["inspect", "--model", "m.onnx", *map(str, arguments)])


def results(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_clean_parts_are_ok_and_the_exit_code_is_0(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("--template", "template.png", "clean.png", "template.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("OK     clean.png")
    assert lines[-1] == "2 inspected: 2 OK, 0 NG, 0 ERROR"


def test_a_part_with_an_object_is_ng_and_the_exit_code_is_1(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("--template", "template.png", "dirty.png", "--mm-per-px", "0.01", "--region", REGION_TEXT) == 1
    line = capsys.readouterr().out
    assert line.startswith("NG     dirty.png")
    assert "1 object, 0.2" in line


def test_json_is_one_result_a_line_in_order_also_for_pictures_that_cannot_be_judged(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = ["dirty.png", "missing.png", "broken.png", "text.png", "empty.png", "small.png", "black.png", "clean.png"]
    assert inspect("--json", "--template", "template.png", "--region", REGION_TEXT, *tests) == 2
    found = results(capsys)
    assert [result["source"] for result in found] == tests
    assert [result["seq"] for result in found] == list(range(1, 9))
    assert [result["verdict"] for result in found] == ["NG", *["ERROR"] * 6, "OK"]
    codes = [reason["code"] for result in found for reason in result["reasons"]]  # type: ignore[attr-defined]
    assert codes == ["component", "image", "image", "image", "image", "wrong-size", "too-dark"]
    assert {result["trigger"] for result in found} == {"file"}
    assert {result["schema"] for result in found} == {"matecheck/result/1"}
    box = found[0]["components"][0]["bbox_px"]  # type: ignore[index]
    np.testing.assert_allclose(box, BOX, atol=2)


def test_a_missing_template_is_an_error_of_each_test(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("--json", "--template", "none.png", "clean.png", "dirty.png") == 2
    assert [result["verdict"] for result in results(capsys)] == ["ERROR", "ERROR"]


def test_a_region_outside_the_image_is_an_error(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("--json", "--template", "template.png", "clean.png", "--region", "0,0 5000,0 5000,50") == 2
    (result,) = results(capsys)
    assert "outside the image of 400 × 280 pixels" in result["reasons"][0]["text"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--template", "template.png"], "no test image is given"),
        (["--template", "template.png", "clean.png", "--region", "1,2 3"], "is not a corner"),
        (["--template", "template.png", "clean.png", "--mm-per-px", "wide"], "is not a number"),
        (["--template", "template.png", "clean.png", "--threshold", "2"], "must be above 0 and at most 1"),
        (["--pairs", "none.csv"], "cannot be read"),
        (["--pairs", "clean.png"], "is not a CSV list"),
        (["--pairs", "list.csv", "clean.png"], "the list names the tests"),
        (["--recipe", "none", "clean.png"], "cannot be read"),
        (["--template", "template.png", "clean.png", "dirty.png", "--draw", "one.png"], "is one file for 2 tests"),
        (["--template", "template.png", "clean.png", "--draw", "m.onnx/x"], "cannot be made"),
        (["--template", "template.png", "clean.png", "--draw", "."], "clean.png: would be written over another image"),
        (["--template", "template.png", "clean.png", "--score-maps", "link"], "would be written over another image"),
        (["--template", "template.png", "clean.png", "--draw", "template.png"], "would be written over another image"),
        (["--template", "template.png", "clean.png", "--draw", "a", "--score-maps", "a"], "would be written over"),
        (["--template", "template.png", "clean.png", "--model", "text.png"], "is no model"),
        (["--template", "template.png", "clean.png", "--model", "none.onnx"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    desk: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert inspect(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edge-agent: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_template_recipe_and_pairs_exclude_each_other(desk: Path) -> None:
    for arguments in ([], ["--template", "template.png", "--pairs", "list.csv"]):
        with pytest.raises(SystemExit) as caught:
            inspect(*arguments)
        assert caught.value.code == 2


def test_a_list_gives_each_pair_its_region_and_scale(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "list.csv").write_text(
        "test,template,region,mm_per_px\n"
        f'dirty.png,template.png,"{REGION_TEXT}",0.02\n'
        'dirty.png,template.png,"60,60 160,60 160,220 60,220",\n'
        "dirty.png,template.png\n"
    )
    assert inspect("--pairs", "list.csv", "--json") == 1
    scaled, elsewhere, whole = results(capsys)
    assert scaled["components"][0]["length_mm"] == pytest.approx(0.5, abs=0.1)  # type: ignore[index]
    assert (elsewhere["verdict"], elsewhere["components"]) == ("OK", [])
    assert whole["components"][0]["length_mm"] is None  # type: ignore[index]


def test_a_wrong_row_spoils_that_row_alone(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "list.csv").write_text(
        "\ufefftemplate, test ,region,mm_per_px,note\n"
        "template.png,clean.png,,,fine\n"
        'template.png,clean.png,"1,1 2",,\n'
        "template.png,clean.png,,-1,\n"
        ",clean.png\n"
        "template.png,clean.png,60,60 340,60 340,220,x\n"
        "\n"
        ",,,\n"
        "template.png,,,,\n"
        f"template.png,{'x' * 300}.png,,,\n"
        "template.png,clean\0.png,,,\n"
        "template.png,dirty.png,,,,,\n"
        'template.png,"clean.png,,,\n'
        "template.png,dirty.png,,,\n",
        encoding="utf-8",
    )
    assert inspect("--pairs", "list.csv", "--json") == 2
    found = results(capsys)
    assert [result["verdict"] for result in found] == ["OK", *["ERROR"] * 7, "NG", "ERROR"]
    texts = [result["reasons"][0]["text"] for result in found if result["reasons"]]  # type: ignore[index]
    assert "list.csv:3: region" in texts[0]
    assert "mm_per_px = -1" in texts[1]
    assert "give another template, region or scale" in texts[1]
    assert "names no test or no template" in texts[2]
    assert "put the region in quotes" in texts[3]
    assert "names no test or no template" in texts[4]
    assert "cannot be read (File name too long)" in texts[5]
    assert "cannot be read (No such file or directory)" in texts[6]
    assert "close the quotes" in texts[8]


def test_paths_in_a_list_start_at_its_folder_or_at_the_working_directory(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "lists").mkdir()
    (desk / "clean.png").rename(desk / "lists" / "clean.png")
    (desk / "lists" / "list.csv").write_text("test,template\nclean.png,template.png\n")
    assert inspect("--pairs", "lists/list.csv") == 0


def test_a_list_without_its_columns_is_refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "list.csv").write_text("image,template\nclean.png,template.png\n")
    assert inspect("--pairs", "list.csv") == 2
    assert "list.csv:1: has no column test; the first line names the columns" in capsys.readouterr().err


def test_an_empty_list_is_all_ok(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "list.csv").write_text("test,template\n")
    assert inspect("--pairs", "list.csv", "--json") == 0
    assert capsys.readouterr().out == ""


def test_score_maps_cover_the_frame_and_tests_of_one_name_keep_apart(desk: Path) -> None:
    (desk / "other").mkdir()
    cv2.imwrite(str(desk / "other" / "dirty.png"), TEMPLATE)
    inspect("--template", "template.png", "dirty.png", "other/dirty.png", "clean.png", "--score-maps", "maps")
    assert sorted(path.name for path in Path("maps").iterdir()) == ["0001-dirty.png", "0002-dirty.png", "clean.png"]
    scores = cv2.imread("maps/0001-dirty.png", cv2.IMREAD_UNCHANGED)
    assert scores.dtype == np.uint16
    assert scores.shape == TEMPLATE.shape[:2]
    assert scores[136, 190] == 65535
    assert scores[10, 10] == 0


def test_names_of_pictures_differ_also_where_a_test_is_called_like_a_number_of_ours() -> None:
    tests = [Path("a.png"), Path("b/A.png"), Path("0001-a.png"), Path("c.png")]
    pairs = [Pair(test, str(test), Path("t.png"), lambda: pytest.fail("not needed")) for test in tests]
    assert output_names(pairs) == ["0001-a", "0002-A", "0003-0001-a", "c"]


def test_a_picture_that_cannot_be_written_costs_no_result(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "seen" / "dirty.png").mkdir(parents=True)
    assert inspect("--template", "template.png", "dirty.png", "clean.png", "--json", "--draw", "seen") == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["verdict"] for line in out.splitlines()] == ["NG", "OK"]
    assert err.startswith("edge-agent: seen/dirty.png: cannot be written (Is a directory); check the folder")
    assert err.count("\n") == 1
    assert (desk / "seen" / "clean.png").is_file()


def test_pictures_are_drawn_into_a_folder_or_one_file(desk: Path) -> None:
    inspect("--template", "template.png", "dirty.png", "small.png", "missing.png", "--draw", "seen")
    assert sorted(path.name for path in Path("seen").iterdir()) == ["dirty.png", "small.png"]
    inspect("--template", "template.png", "dirty.png", "--draw", "new/one.jpg")
    assert cv2.imread("new/one.jpg") is not None


def test_a_recipe_is_inspected_by_and_its_threshold_can_be_changed(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Recipe("x2", "7", TEMPLATE, REGION, 0.01, Limits(min_length_mm=0.5)).save(Path("x2"))
    assert inspect("--recipe", "x2", "dirty.png", "--json") == 0
    (result,) = results(capsys)
    assert (result["recipe"], result["recipe_version"], len(result["components"])) == ("x2", "7", 1)  # type: ignore[arg-type]
    assert inspect("--recipe", "x2", "dirty.png", "--threshold", "1.0", "--json") == 0
    assert inspect("--recipe", "x2", "dirty.png", "--region", REGION_TEXT) == 2


def test_results_are_written_as_they_come_and_a_closed_pipe_is_no_traceback(desk: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "edge_agent.cli.main",
        "inspect",
        "--model",
        "m.onnx",
        "--template",
        "template.png",
    ]
    process = subprocess.Popen(
        [*command, "--json", *["clean.png"] * 40], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["verdict"] == "OK"
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""
