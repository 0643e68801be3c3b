"""The same anomalous pictures through several models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from build_engine.datasets.one_class import read_tests
from build_engine.evaluation.anomaly import judge_maps
from build_engine.evaluation.anomaly_sheet import CAPTION, CELL, write_comparison
from build_engine.evaluation.one_class import Judged
from edge_agent.engines import ModelInfo
from tests.support.one_class import write_mvtec


def judged(folder: Path, size: int, sign: int) -> Judged:
    """A model of that size that finds the spots, or everything else."""
    tests = read_tests(folder, (size, size))
    assert tests.masks is not None
    maps = np.where(tests.masks, 0.5 + sign * 0.5, 0.5 - sign * 0.5).astype(np.float32)
    info = ModelInfo("made-up", "1", "single", 0.5, "", size, size)
    return Judged(info, tests, maps, judge_maps(maps, tests.anomalous, tests.masks, 0.5), 1.0)


def test_a_row_a_model_shows_the_same_defects_whatever_size_it_sees(tmp_path: Path) -> None:
    folder = write_mvtec(tmp_path / "ring")
    models = {"good": judged(folder, 64, 1), "bad": judged(folder, 96, -1)}
    picture = cv2.imread(str(write_comparison(models, tmp_path / "seen.png")))
    assert picture is not None
    height = CAPTION + CELL
    assert picture.shape[:2] == (CELL + 2 * height, 4 * CELL)  # pictures and two models; a label and three spots
    finds, misses = (picture[start + CAPTION : start + height, CELL:] for start in (CELL, CELL + height))
    assert finds.mean() < 30
    assert misses.mean() > 150
