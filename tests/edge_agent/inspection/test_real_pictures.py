"""The gate and the registration on real connectors and real prints."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.images import read_image
from edge_agent.inspection import quality
from edge_agent.inspection.alignment import Aligner, warp
from edge_agent.inspection.alignment_level import moved as moved_points
from edge_agent.inspection.registration import MIN_MATCH
from tests.support.data import real_data
from tests.support.scenes import motion, moved, noisy

WHOLE = np.array([[0, 0], [640, 0], [640, 640], [0, 640]], np.float64)


def connector_pair(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Template and test cut out around the region, and the region's corners in them."""
    folder = real_data("connectors")
    told = json.loads((folder / "objects.json").read_text())[name]
    if "region_circle" in told:
        x, y, radius = told["region_circle"]
        region = np.array(
            [[x - radius, y - radius], [x + radius, y - radius], [x + radius, y + radius], [x, y + radius]]
        )
    else:
        region = np.array(told["region_polygon"])
    x0, y0 = (region.min(0) - 250).astype(int)
    x1, y1 = (region.max(0) + 250).astype(int)
    template, test = (read_image(folder / name / f"{kind}.jpg")[y0:y1, x0:x1] for kind in ("template", "test"))
    return template, test, (region - (x0, y0)).astype(np.float64)


def print_pairs(step: int) -> list[tuple[np.ndarray, np.ndarray]]:
    folder = real_data("deeppcb") / "PCBData"
    lines = [line.split()[0] for line in (folder / "trainval.txt").read_text().splitlines() if line.strip()]
    stems = [str(folder / Path(line).with_suffix("")) for line in lines[::step]]
    return [(read_image(Path(f"{stem}_temp.jpg")), read_image(Path(f"{stem}_test.jpg"))) for stem in stems]


@pytest.mark.parametrize("name", ["sma-fibre", "dsub-sliver-and-foil"])
def test_a_real_connector_is_found_again_wherever_it_is_put(name: str) -> None:
    template, test, region = connector_pair(name)
    aligner = Aligner(template, region)
    at_first = aligner.align(test)
    assert at_first.match > 0.85
    rng = np.random.default_rng(1)
    for _ in range(4):
        shift = (rng.uniform(-15, 15), rng.uniform(-15, 15))
        truth = motion(test, shift, rng.uniform(-3, 3), rng.uniform(0.98, 1.02))
        alignment = aligner.align(noisy(moved(test, truth)))
        found, expected = (moved_points(matrix, region) for matrix in (alignment.matrix, truth @ at_first.matrix))
        assert np.abs(found - expected).max() < 0.3


def test_one_connector_is_not_taken_for_another() -> None:
    template, _, region = connector_pair("sma-fibre")
    _, other, _ = connector_pair("dsub-sliver-and-foil")
    height, width = template.shape[:2]
    assert Aligner(template, region).align(other[:height, :width]).match < MIN_MATCH - 0.1


def test_real_prints_match_their_templates_and_no_others() -> None:
    pairs = print_pairs(step=100)
    for (template, test), (_, other) in zip(pairs, pairs[1:] + pairs[:1], strict=True):
        aligner = Aligner(template, WHOLE)
        assert aligner.align(test).match > MIN_MATCH + 0.2
        assert aligner.align(other).match < MIN_MATCH - 0.1


def test_registration_lessens_what_differs_on_real_prints() -> None:
    before, after = [], []
    for template, test in print_pairs(step=100):
        aligned, _ = warp(template, Aligner(template, WHOLE).align(test), (0, 0, 640, 640))
        before.append(np.count_nonzero(cv2.absdiff(template, test)[..., 0] > 128))
        after.append(np.count_nonzero(cv2.absdiff(aligned, test)[..., 0] > 128))
    assert np.mean(after) < 0.6 * np.mean(before)
    assert max(np.array(after) - before) < 300


def test_real_pictures_pass_the_gate() -> None:
    pairs = [connector_pair(name)[:2] for name in ("sma-fibre", "dsub-sliver-and-foil")]
    for template, test in [*pairs, *print_pairs(step=50)]:
        mask = np.ones(template.shape[:2], np.uint8)
        assert quality.check(quality.measure(test, mask), quality.measure(template, mask)) is None
