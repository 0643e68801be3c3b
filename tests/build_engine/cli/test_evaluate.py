"""build-engine evaluate, from files to figures and pictures, with a model that scores grey differences."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from build_engine.cli.main import main
from tests.support.models import write_difference_model

SIZE = 256
OBJECT = (100, 120, 140, 150)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Three pairs: an object that is there, one that only the annotation knows, and a clean part with a false one."""
    folder = tmp_path_factory.mktemp("data")
    noise = np.random.default_rng(3).integers(0, 256, (SIZE // 8, SIZE // 8, 3), np.uint8)
    template = cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) // 2
    with_object = template.copy()
    x0, y0, x1, y1 = OBJECT
    with_object[y0:y1, x0:x1] = 255
    cv2.imwrite(str(folder / "template.png"), template)
    cv2.imwrite(str(folder / "object.png"), with_object)
    cv2.imwrite(str(folder / "same.png"), template)
    grown = f"{x0 - 8},{y0 - 8},{x1 + 8},{y1 + 8}"
    (folder / "found.csv").write_text(f'test,template,boxes\nobject.png,template.png,"{grown}"\n')
    (folder / "all.csv").write_text(
        "test,template,boxes\n"
        f'object.png,template.png,"{grown}"\n'
        'same.png,template.png,"10,10,40,40"\n'
        "object.png,template.png,\n"
        "same.png,template.png,\n"
    )
    write_difference_model(folder / "model.onnx", height=SIZE, width=SIZE)
    return folder


def evaluate(data: Path, listing: str, output: Path, *more: str) -> int:
    model = str(data / "model.onnx")
    arguments = ["evaluate", "--pairs", str(data / listing), "--model", model, "--output", str(output), "--jobs", "2"]
    return main([*arguments, *more])


def test_an_object_that_is_found_scores_full_marks(data, tmp_path, capsys) -> None:
    assert evaluate(data, "found.csv", tmp_path / "new", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["official"]["average_precision"] == 1.0
    assert figures["official"]["f1"] == 1.0
    assert figures["verdicts"] == {"OK": 0, "NG": 1, "ERROR": 0}
    assert figures["model"]["network"] == "difference"
    for picture in ("precision-recall.png", "worst-cases.png"):
        assert cv2.imread(str(tmp_path / "new" / picture)) is not None


def test_missed_and_false_objects_are_counted_and_shown(data, tmp_path, capsys) -> None:
    assert evaluate(data, "all.csv", tmp_path, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["official"]["annotated"] == 2
    assert figures["official"]["detected"] == 2
    assert figures["official"]["matched"] == 1
    assert (figures["clean_pairs"], figures["clean_ng"], figures["escaped"]) == (2, 1, 1)
    assert "curve" not in figures["official"]


def test_the_table_names_protocols_and_the_model(data, tmp_path, capsys) -> None:
    assert evaluate(data, "all.csv", tmp_path) == 0
    printed = capsys.readouterr()
    assert "average precision" in printed.out
    assert "ranks by the answer" in printed.out
    assert "difference 1" in printed.out
    assert "worst-cases.png" in printed.err


def test_the_threshold_is_handed_to_the_product(data, tmp_path, capsys) -> None:
    assert evaluate(data, "found.csv", tmp_path, "--json", "--threshold", "1.0") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["threshold"] == 1.0


def test_own_boxes_are_taken_as_they_are_unless_a_margin_is_said(data, tmp_path, capsys) -> None:
    for more, margin, matched in ((), 0.0, 1), (("--margin", "8"), 8.0, 1), (("--margin", "40"), 40.0, 0):
        assert evaluate(data, "found.csv", tmp_path, "--json", *more) == 0
        figures = json.loads(capsys.readouterr().out)
        assert figures["margin_px"] == margin
        assert figures["official"]["matched"] == matched


def test_a_limit_draws_the_same_pairs_for_the_same_seed(data, tmp_path, capsys) -> None:
    for _ in range(2):
        assert evaluate(data, "all.csv", tmp_path, "--json", "--limit", "2", "--seed", "5") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["pairs"] == 2
    assert {**first, "median_ms": None} == {**second, "median_ms": None}


@pytest.mark.parametrize(
    ("listing", "model", "message"),
    [
        ("gone.csv", "model.onnx", "no such list or folder; check the path"),
        ("found.csv", "gone.onnx", "gone.onnx: cannot be read"),
        ("found.csv", "found.csv", "is no model"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(data, tmp_path, capsys, listing, model, message) -> None:
    code = main(["evaluate", "--pairs", str(data / listing), "--model", str(data / model), "--output", str(tmp_path)])
    assert code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_a_broken_image_ends_the_evaluation_with_its_name(data, tmp_path, capsys) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "list.csv").write_text("test,template,boxes\nbroken.png,broken.png,\n")
    code = main(["evaluate", "--pairs", str(tmp_path / "list.csv"), "--model", str(data / "model.onnx"), "--jobs", "1"])
    assert code == 2
    assert "broken.png" in capsys.readouterr().err


def test_an_evaluation_needs_data(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate"])
    assert "--deeppcb" in capsys.readouterr().err
