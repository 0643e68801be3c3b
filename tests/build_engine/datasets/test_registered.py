"""Annotated pairs are registered as the agent does it, before a network is trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from build_engine.datasets import DatasetError, read_pairs
from build_engine.datasets.annotated_pair import annotated_pair
from build_engine.datasets.registered import mask_of_boxes, unpack
from build_engine.datasets.registering import INDEX, read_index, register_all
from edge_agent.errors import ImageError
from tests.support.boards import BOX, write_board, write_pairs


def test_a_shifted_pair_is_registered_and_its_mask_lies_on_the_object(tmp_path: Path) -> None:
    test, template = write_board(tmp_path, shift=(6, -5), with_object=True)
    pair = annotated_pair(test, template, (BOX,), name="board", region=((30, 30), (220, 30), (220, 220), (30, 220)))
    (registered,) = register_all([pair], tmp_path / "registered", 0.0, jobs=1).pairs
    seen, warped, mask = unpack(np.asarray(registered.read()))
    assert seen.shape[:2] != cv2.imread(str(test)).shape[:2], "cut to the region"
    differs = cv2.absdiff(seen, warped).max(axis=2) > 100
    assert differs[mask > 0].mean() > 0.9
    assert differs[cv2.dilate(mask, np.ones((7, 7))) == 0].mean() < 0.02
    ((x0, y0, x1, y1),) = registered.boxes
    assert mask[int(y0) : int(y1), int(x0) : int(x1)].all()


def test_a_mask_file_is_taken_as_it_is(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 1, masks=True)
    (pair,) = read_pairs(tmp_path / "pairs")
    assert pair.boxes == (BOX,)
    (registered,) = register_all([pair], tmp_path / "registered", 8.0, jobs=1).pairs
    mask = unpack(np.asarray(registered.read()))[2]
    x0, y0, x1, y1 = (int(value) for value in BOX)
    assert mask.sum() == (x1 - x0) * (y1 - y0)


def test_a_pair_that_the_agent_would_refuse_is_left_out_with_the_reason(tmp_path: Path) -> None:
    test, template = write_board(tmp_path, shift=(0, 0), with_object=True)
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), np.random.default_rng(9).integers(0, 256, (256, 256, 3), dtype=np.uint8))
    good = annotated_pair(test, template, (BOX,), name="good")
    bad = annotated_pair(other, template, (BOX,), name="bad")
    done = register_all([good, bad], tmp_path / "registered", 0.0, jobs=1)
    assert [pair.name for pair in done.pairs] == ["good"]
    assert len(done.refused) == 1
    assert done.refused[0].startswith("bad: ")
    with pytest.raises(DatasetError, match="not one of 1 pairs can be registered; the first, bad"):
        register_all([bad], tmp_path / "none", 0.0, jobs=1)


def test_what_is_registered_already_is_not_done_again_unless_something_changed(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 2)
    pairs, folder = read_pairs(tmp_path / "pairs"), tmp_path / "registered"
    first = register_all(pairs, folder, 0.0, jobs=1)
    times = [pair.file.stat().st_mtime_ns for pair in first.pairs]
    assert register_all(pairs, folder, 0.0, jobs=1) == first == read_index(folder)[1]
    assert [pair.file.stat().st_mtime_ns for pair in first.pairs] == times
    register_all(pairs, folder, 2.0, jobs=1)
    assert [pair.file.stat().st_mtime_ns for pair in first.pairs] != times


def test_a_call_that_was_cut_short_leaves_no_arrays_that_pass_for_those_of_an_earlier_one(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 2)
    pairs, folder = read_pairs(tmp_path / "pairs"), tmp_path / "registered"
    whole = [pair.read().copy() for pair in register_all(pairs, folder, 0.0, jobs=1).pairs]
    gone = replace(pairs[0], test=tmp_path / "gone.png")
    gone.test.write_bytes(b"no picture")
    with pytest.raises(ImageError):
        register_all([pairs[1], gone], folder, 0.0, jobs=1)
    for pair, before in zip(register_all(pairs, folder, 0.0, jobs=1).pairs, whole, strict=True):
        np.testing.assert_array_equal(pair.read(), before)


def test_a_torn_index_is_made_anew(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 1)
    pairs, folder = read_pairs(tmp_path / "pairs"), tmp_path / "registered"
    first = register_all(pairs, folder, 0.0, jobs=1)
    index = folder / INDEX
    index.write_text(index.read_text()[:20])
    assert register_all(pairs, folder, 0.0, jobs=1) == first == read_index(folder)[1]


def test_several_processes_register_the_same(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 3)
    pairs = read_pairs(tmp_path / "pairs")
    one = register_all(pairs, tmp_path / "one", 0.0, jobs=1)
    two = register_all(pairs, tmp_path / "two", 0.0, jobs=2)
    for a, b in zip(one.pairs, two.pairs, strict=True):
        assert a.boxes == b.boxes
        np.testing.assert_array_equal(a.read(), b.read())


def test_boxes_shrink_by_the_margin_but_do_not_vanish() -> None:
    mask = mask_of_boxes(((10, 10, 50, 40), (60, 60, 72, 72)), 8.0, (100, 100))
    assert mask[18:32, 18:42].all()
    assert mask[63:69, 63:69].all()
    assert mask.sum() == 14 * 24 + 36


def test_boxes_that_touch_become_two_objects() -> None:
    mask = mask_of_boxes(((10, 10, 50, 50), (46, 20, 80, 60)), 0.0, (100, 100))
    assert cv2.connectedComponents(mask)[0] - 1 == 2
    assert mask[15:45, 12:39].all()
    assert mask[25:55, 57:78].all()
    assert not mask[25:50, 41:51].any()
