"""The readers read the real data sets as their authors lay them out."""

from __future__ import annotations

from build_engine.datasets import read_deeppcb, read_pairs
from edge_agent.images import read_image
from edge_agent.inspection.recipe import check_region
from tests.support.data import real_data


def test_all_of_deeppcb_is_read() -> None:
    pairs = read_deeppcb(real_data("deeppcb"))
    assert len({pair.name for pair in pairs}) == len(pairs) == 1000
    for pair in pairs:
        assert pair.boxes
        assert all(0 <= x0 < x1 <= 640 and 0 <= y0 < y1 <= 640 for x0, y0, x1, y1 in pair.boxes)


def test_real_connectors_have_regions_that_hold_their_objects() -> None:
    pairs = read_pairs(real_data("connectors"))
    assert len(pairs) >= 2
    for pair in pairs:
        height, width = read_image(pair.template).shape[:2]
        check_region(pair.region, width, height)
        xs, ys = zip(*pair.region, strict=True)
        for x0, y0, x1, y1 in pair.boxes:
            assert min(xs) <= (x0 + x1) / 2 <= max(xs)
            assert min(ys) <= (y0 + y1) / 2 <= max(ys)
