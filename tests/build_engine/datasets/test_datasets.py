"""Data sets on disk are read as documented, and what is wrong with one is said with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_engine.datasets import DatasetError, read_deeppcb, read_pairs
from build_engine.datasets.annotated_pair import parse_points, read_boxes
from edge_agent.errors import ImageError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


@pytest.fixture
def deeppcb(tmp_path: Path) -> Path:
    root = tmp_path / "PCBData"
    touch(root / "group1/1/1000_test.jpg", root / "group1/1/1000_temp.jpg")
    (root / "group1/1_not").mkdir()
    (root / "group1/1_not/1000.txt").write_text("466 441 493 470 3\n454 300 493 396 2\n")
    (root / "trainval.txt").write_text("group1/1/1000.jpg group1/1_not/1000.txt\n\n")
    return root


@pytest.mark.parametrize("where", ["PCBData/trainval.txt", "PCBData", "."])
def test_deeppcb_is_read_from_its_list_or_the_folders_around_it(deeppcb, where) -> None:
    (pair,) = read_deeppcb(deeppcb.parent / where)
    assert pair.name == "1000"
    assert pair.test.name == "1000_test.jpg"
    assert pair.template.name == "1000_temp.jpg"
    assert pair.boxes == ((466, 441, 493, 470), (454, 300, 493, 396))


def test_deeppcb_with_both_lists_asks_which(deeppcb) -> None:
    (deeppcb / "test.txt").write_text("")
    with pytest.raises(DatasetError, match=r"both trainval\.txt and test\.txt.*name the list"):
        read_deeppcb(deeppcb)
    assert read_deeppcb(deeppcb / "test.txt") == ()


def test_a_missing_image_stops_the_reading_because_a_figure_over_fewer_pairs_is_another_figure(deeppcb) -> None:
    (deeppcb / "group1/1/1000_temp.jpg").unlink()
    with pytest.raises(ImageError, match=r"1000_temp\.jpg: no such image"):
        read_deeppcb(deeppcb)


def test_a_folder_without_a_list_is_named(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"no trainval\.txt or test\.txt"):
        read_deeppcb(tmp_path)


def test_a_csv_list_gives_region_scale_and_boxes(tmp_path) -> None:
    touch(tmp_path / "a.png", tmp_path / "t.png", tmp_path / "b.png")
    (tmp_path / "b.txt").write_text("1,2,3,4\n")
    (tmp_path / "list.csv").write_text(
        "test,template,region,mm_per_px,boxes\n"
        'a.png,t.png,"0,0 10,0 10,10",0.02,"1,2,3,4 5,6,7,8"\n'
        "b.png,t.png,,,b.txt\n"
        "b.png,t.png,,,\n"
    )
    full, from_file, clean = read_pairs(tmp_path / "list.csv")
    assert full.region == ((0, 0), (10, 0), (10, 10))
    assert full.mm_per_px == 0.02
    assert full.boxes == ((1, 2, 3, 4), (5, 6, 7, 8))
    assert (from_file.boxes, from_file.region, from_file.mm_per_px) == (((1, 2, 3, 4),), (), None)
    assert clean.boxes == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,t.png,,,1;2;3;4", "line.csv:2, boxes: not a number"),
        ('a.png,t.png,,,"3,2,1,4"', "line.csv:2, boxes: a box must be"),
        ('a.png,t.png,"0,0 1,1",,', "line.csv:2, region: a region needs 3 corners"),
        ("a.png,t.png,,-1,", "line.csv:2, mm_per_px: must be a number above 0"),
        ("a.png,gone.png,,,", "gone.png: no such image"),
    ],
)
def test_a_broken_row_is_named_with_file_line_and_column(tmp_path, row, message) -> None:
    touch(tmp_path / "a.png", tmp_path / "t.png")
    (tmp_path / "line.csv").write_text(f"test,template,region,mm_per_px,boxes\n{row}\n")
    with pytest.raises((DatasetError, ImageError), match=message):
        read_pairs(tmp_path / "line.csv")


def test_an_unknown_column_is_refused(tmp_path) -> None:
    (tmp_path / "list.csv").write_text("test,template,boxs\n")
    with pytest.raises(DatasetError, match="columns must be among"):
        read_pairs(tmp_path / "list.csv")


def test_a_folder_of_pairs_takes_its_answers_from_objects_json(tmp_path) -> None:
    for name in ("round", "square"):
        touch(tmp_path / name / "test.jpg", tmp_path / name / "template.png")
    answers = {
        "box": "a remark",
        "round": {"region_circle": [50, 60, 10], "objects": [[1, 2, 3, 4]], "mm_per_px": 0.5},
        "square": {"region_polygon": [[0, 0], [9, 0], [9, 9]], "objects": []},
    }
    (tmp_path / "objects.json").write_text(json.dumps(answers))
    round_pair, square = read_pairs(tmp_path)
    assert (round_pair.name, round_pair.boxes, round_pair.mm_per_px) == ("round", ((1, 2, 3, 4),), 0.5)
    assert len(round_pair.region) == 64
    assert all((x - 50) ** 2 + (y - 60) ** 2 == pytest.approx(100) for x, y in round_pair.region)
    assert square.region == ((0, 0), (9, 0), (9, 9))


def test_a_pair_without_an_answer_is_refused_not_counted_as_clean(tmp_path) -> None:
    touch(tmp_path / "forgotten" / "test.png", tmp_path / "forgotten" / "template.png")
    (tmp_path / "objects.json").write_text("{}")
    with pytest.raises(DatasetError, match="forgotten: the pair has no answer"):
        read_pairs(tmp_path)


def test_a_folder_without_answers_is_refused(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"objects.json: cannot read the answers"):
        read_pairs(tmp_path)


def test_boxes_are_read_from_json(tmp_path) -> None:
    (tmp_path / "list.json").write_text("[[1, 2, 3, 4]]")
    (tmp_path / "object.json").write_text('{"objects": [[1, 2, 3, 4]]}')
    (tmp_path / "wrong.json").write_text('{"boxes": []}')
    assert read_boxes(tmp_path / "list.json") == read_boxes(tmp_path / "object.json") == ((1, 2, 3, 4),)
    with pytest.raises(DatasetError, match="not a list of boxes"):
        read_boxes(tmp_path / "wrong.json")


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), max_size=8))
def test_points_are_read_back_as_they_are_written(points) -> None:
    text = " ".join(f"{x!r},{y!r}" for x, y in points)
    assert parse_points(text, 2, "here") == tuple(points)


def test_a_csv_list_is_read_with_spaces_after_its_commas_and_rows_of_nothing(tmp_path) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.png")
    text = '\ufefftest, template, region\r\na.png, b.png, "0,0 9,0 9,9"\r\n,,\r\n'
    (tmp_path / "list.csv").write_text(text, encoding="utf-8", newline="")
    (pair,) = read_pairs(tmp_path / "list.csv")
    assert (pair.template.name, pair.region) == ("b.png", ((0, 0), (9, 0), (9, 9)))


def test_a_file_of_another_kind_is_no_list(tmp_path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff")
    for read in (read_deeppcb, read_pairs):
        with pytest.raises(DatasetError, match=r"image\.png: is no "):
            read(tmp_path / "image.png")


@pytest.mark.parametrize("answers", ['["a"]', '"a"', '{"a": {"objects": [], "mm_per_px": [1]}}'])
def test_answers_of_another_form_are_refused(tmp_path, answers) -> None:
    touch(tmp_path / "a" / "test.png", tmp_path / "a" / "template.png")
    (tmp_path / "objects.json").write_text(answers)
    with pytest.raises(DatasetError, match=r"objects\.json"):
        read_pairs(tmp_path)
