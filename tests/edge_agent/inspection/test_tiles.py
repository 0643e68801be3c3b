from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.engines import load_engine
from edge_agent.inspection.tiles import OVERLAP, cut, cut_pair, join, look, look_again, merge_scales, plan
from tests.support.models import write_difference_model

TILE = (96, 128)


@given(height=st.integers(1, 500), width=st.integers(1, 700))
@settings(max_examples=60, deadline=None)
def test_an_image_cut_and_joined_is_the_same_image(height: int, width: int) -> None:
    image = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)
    layout = plan(height, width, 1.0, TILE)
    tiles = np.stack(cut(image, layout, TILE))
    assert tiles.shape[1:] == (*TILE, 3)
    joined = join(tiles[..., 0].astype(np.float32), layout)
    np.testing.assert_allclose(joined, image[..., 0], atol=1e-3)


@given(length=st.integers(129, 5000))
def test_tiles_are_the_fewest_that_overlap_enough(length: int) -> None:
    lefts = plan(10, length, 1.0, TILE).lefts
    gaps = np.diff(lefts)
    assert lefts[0] == 0
    assert lefts[-1] == length - TILE[1]
    assert gaps.max() <= TILE[1] - OVERLAP
    assert len(lefts) == 1 + -(-(length - TILE[1]) // (TILE[1] - OVERLAP))


@pytest.mark.parametrize(("size", "native", "half"), [((100, 200), 1, 1), ((480, 640), 1, 1), ((800, 1200), 4, 1)])
def test_few_tiles_are_enough(size: tuple[int, int], native: int, half: int) -> None:
    for scale, count in ((1.0, native), (0.5, half)):
        layout = plan(*size, scale, (480, 640))
        assert len(layout.tops) * len(layout.lefts) == count


def test_tiles_that_disagree_leave_no_seam() -> None:
    layout = plan(96, 200, 1.0, TILE)
    scores = np.stack([np.zeros(TILE, np.float32), np.ones(TILE, np.float32)])
    row = join(scores, layout)[50]
    assert row[0] == 0
    assert row[-1] == 1
    assert np.abs(np.diff(row)).max() < 0.05


def test_an_object_on_the_border_of_tiles_is_seen_once_and_whole(tmp_path: Path) -> None:
    engine = load_engine(write_difference_model(tmp_path / "m.onnx", height=TILE[0], width=TILE[1], offset=0.0))
    template = np.full((150, 220, 3), 60, np.uint8)
    test = template.copy()
    test[60:80, 90:140] = 240
    scores = look(engine, cut_pair(engine.info, test, template, (1.0,))).merged(0.5)
    assert scores.shape == (150, 220)
    assert (scores[62:78, 92:138] > 0.9).all()
    assert scores[:57].max() == scores[83:].max() == 0


def test_all_scales_go_to_the_engine_in_one_call(tmp_path: Path) -> None:
    engine = load_engine(write_difference_model(tmp_path / "m.onnx", height=TILE[0], width=TILE[1]))
    batches: list[int] = []
    infer = engine.infer
    engine.infer = lambda test, template: (batches.append(len(test)), infer(test, template))[1]  # type: ignore[method-assign]
    image = np.zeros((150, 220, 3), np.uint8)
    look(engine, cut_pair(engine.info, image, image, (1.0, 0.5)))
    assert batches == [4 + 1]


def test_what_another_template_shows_is_no_object_and_only_tiles_with_something_are_looked_at_again(
    tmp_path: Path,
) -> None:
    engine = load_engine(write_difference_model(tmp_path / "m.onnx", height=TILE[0], width=TILE[1], offset=0.0))
    batches: list[int] = []
    infer = engine.infer
    engine.infer = lambda test, template: (batches.append(len(test)), infer(test, template))[1]  # type: ignore[method-assign]
    template = np.full((150, 220, 3), 60, np.uint8)
    test = template.copy()
    test[10:20, 10:20] = test[10:20, 60:70] = 240
    other = template.copy()
    other[10:20, 10:20] = 240
    before = look(engine, cut_pair(engine.info, test, template, (1.0,)))
    after = look_again(engine, cut_pair(engine.info, test, template, (1.0,)), other, before, 0.5)
    assert batches == [4, 1]
    assert (before.merged(0.5)[12:18, 12:18] > 0.9).all()
    assert after.merged(0.5)[:30, :50].max() < 0.1
    assert (after.merged(0.5)[12:18, 62:68] > 0.9).all()


def test_a_coarser_scale_fills_what_the_finest_has_seen_and_adds_nothing_else() -> None:
    native, half = np.zeros((90, 120), np.float32), np.zeros((45, 60), np.float32)
    native[20:60, 20:24] = native[20:60, 66:70] = 0.9  # the rims of an object 50 px wide …
    half[10:30, 10:35] = 0.8  # … which half resolution sees whole
    half[35:42, 40:55] = 0.8  # and something that native resolution does not see
    merged = merge_scales([native, half], (1.0, 0.5), (90, 120), 0.5)
    assert merged.shape == (90, 120)
    assert merged.dtype == np.float32
    assert (merged[24:56, 20:70] >= 0.5).all()
    assert merged[:, :20].max() == merged[:, 70:].max() == 0  # no longer than native resolution says
    assert merged[66:].max() == 0


def test_one_scale_alone_is_taken_as_it_is() -> None:
    half = np.random.default_rng(0).random((45, 60), np.float32)
    merged = merge_scales([half], (0.5,), (90, 120), 0.5)
    assert merged.shape == (90, 120)
    assert 0 <= merged.min() <= merged.max() <= 1
