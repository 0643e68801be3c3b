"""The worst cases are the ones a person would look at first, and the sheet shows them."""

from __future__ import annotations

import numpy as np

from build_engine.evaluation.detection import ImageDetections
from build_engine.evaluation.worst_cases import worst_cases
from build_engine.evaluation.worst_sheet import ANNOTATED, DETECTED, TILE, Scene, draw_worst

FALSE_SURE, FALSE_UNSURE, FOUND = [300, 300, 320, 310], [400, 10, 410, 20], [108, 108, 132, 132]
TRUE_FOUND, MISSED_SMALL, MISSED_LARGE = [100, 100, 140, 140], [200, 200, 210, 210], [10, 200, 60, 260]


def example() -> list[ImageDetections]:
    return [
        ImageDetections(np.zeros((0, 4)), np.zeros(0), np.array([MISSED_SMALL], np.float64)),
        ImageDetections(
            np.array([FALSE_UNSURE, FALSE_SURE, FOUND], np.float64),
            np.array([0.2, 0.9, 0.5]),
            np.array([TRUE_FOUND, MISSED_LARGE], np.float64),
        ),
    ]


def test_false_ones_come_by_confidence_and_missed_ones_by_size() -> None:
    false, missed = worst_cases(example(), each=10)
    assert [(case.image, list(case.box), case.confidence) for case in false] == [
        (1, FALSE_SURE, 0.9),
        (1, FALSE_UNSURE, 0.2),
    ]
    assert [(case.image, list(case.box), case.overlap) for case in missed] == [
        (1, MISSED_LARGE, 0.0),
        (0, MISSED_SMALL, 0.0),
    ]


def test_no_more_cases_are_given_than_asked_for() -> None:
    false, missed = worst_cases(example(), each=1)
    assert (len(false), len(missed)) == (1, 1)


def test_a_missed_object_says_what_overlaps_it() -> None:
    too_small = ImageDetections(
        np.array([[100, 100, 104, 104]], np.float64), np.array([0.8]), np.array([[80, 80, 200, 200]], np.float64)
    )
    _, (missed,) = worst_cases([too_small], each=5)
    assert missed.confidence == 0.8
    assert 0 < missed.overlap < 0.33


def test_the_sheet_shows_every_case_with_its_boxes_at_the_right_place() -> None:
    images = example()
    false, missed = worst_cases(images, each=10)
    grey = np.full((480, 640, 3), 90, np.uint8)
    heat = np.zeros((480, 640), np.float32)
    scenes = [Scene(f"pair {n}", grey, grey, heat, image.boxes, image.truth) for n, image in enumerate(images)]
    sheet = draw_worst(false, missed, scenes.__getitem__, "an example", 8.0)
    assert sheet.shape[0] > 2 * TILE
    assert sheet.shape[1] > 6 * TILE
    left, right = np.split(sheet, [sheet.shape[1] // 2], axis=1)
    assert (left == DETECTED).all(axis=2).any()
    assert not (left == ANNOTATED).all(axis=2).any()
    assert (right == ANNOTATED).all(axis=2).any()


def test_a_sheet_without_a_wrong_case_can_be_drawn() -> None:
    assert draw_worst([], [], [].__getitem__, "all right", 0.0).size > 0
