"""The detection figures: known small examples, and what must hold for any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_engine.evaluation.detection import (
    ANNOTATION_MARGIN_PX,
    ImageDetections,
    iou,
    match,
    official,
    paper_oracle,
    score,
)


def image(detections: list[tuple[list[float], float]], truth: list[list[float]]) -> ImageDetections:
    boxes = np.array([box for box, _ in detections], np.float64).reshape(-1, 4)
    confidence = np.array([confidence for _, confidence in detections], np.float64)
    return ImageDetections(boxes, confidence, np.array(truth, np.float64).reshape(-1, 4))


def box_at(x: float, y: float = 0.0, size: float = 40.0) -> list[float]:
    return [x, y, x + size, y + size]


coordinates = st.integers(0, 60)
boxes = st.builds(
    lambda x, y, w, h: [float(x), float(y), float(x + w), float(y + h)],
    coordinates,
    coordinates,
    st.integers(1, 30),
    st.integers(1, 30),
)
detections = st.lists(st.tuples(boxes, st.sampled_from([0.1, 0.3, 0.5, 0.9])), max_size=8)
images = st.builds(image, detections, st.lists(boxes, max_size=6))


def test_iou_of_known_boxes() -> None:
    first = np.array([[0, 0, 10, 10]], np.float64)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 5, 5]], np.float64)
    assert iou(first, second)[0] == pytest.approx([1.0, 50 / 150, 0.0, 0.25])


def test_average_precision_of_an_example_computed_by_hand() -> None:
    # Ranked: hit (0.9), false (0.8), hit (0.7), false (0.6); 3 annotated, one missed.
    example = image(
        [(box_at(0), 0.9), (box_at(500), 0.8), (box_at(100), 0.7), (box_at(600), 0.6)],
        [box_at(0), box_at(100), box_at(200)],
    )
    figures = score([example])
    assert figures.average_precision == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert (figures.annotated, figures.detected, figures.matched) == (3, 4, 2)
    assert figures.precision == pytest.approx(2 / 4)
    assert figures.recall == pytest.approx(2 / 3)
    assert figures.f1 == pytest.approx(4 / 7)
    assert figures.best_f1 == pytest.approx(2 * 2 / (3 + 3))
    assert figures.best_confidence == 0.7
    assert figures.curve[1] == pytest.approx((0.8, 1 / 2, 1 / 3))


def test_detections_of_all_images_are_ranked_together() -> None:
    sure_and_false = image([(box_at(300), 0.95)], [])
    right = image([(box_at(0), 0.9)], [box_at(0)])
    assert score([sure_and_false, right]).average_precision == pytest.approx(1 / 2)
    assert score([right, image([(box_at(300), 0.2)], [])]).average_precision == 1.0


def test_a_second_detection_of_the_same_object_is_false() -> None:
    twice = image([(box_at(1), 0.6), (box_at(0), 0.9)], [box_at(0)])
    assert match(twice).tolist() == [-1, 0]


def test_the_more_confident_detection_chooses_first_and_takes_its_best_box() -> None:
    # The sure one overlaps both boxes and lies nearer to the second; the other is left with the first.
    two = image([([10, 0, 50, 40], 0.5), ([12, 0, 52, 40], 0.9)], [[0, 0, 40, 40], [15, 0, 55, 40]])
    assert match(two).tolist() == [0, 1]


def test_an_overlap_of_exactly_the_threshold_is_not_a_hit() -> None:
    third = image([([0, 0, 10, 10], 1.0)], [[5, 0, 15, 10]])
    assert match(third, 1 / 3).tolist() == [-1]
    assert match(third, 0.33).tolist() == [0]


def test_equal_confidences_count_with_the_precision_after_the_last_of_them() -> None:
    one_right_one_wrong = image([(box_at(0), 0.5), (box_at(300), 0.5)], [box_at(0)])
    assert score([one_right_one_wrong]).average_precision == 0.5


def test_official_grows_a_tight_box_by_the_annotators_margin() -> None:
    margin = ANNOTATION_MARGIN_PX
    tight = image([([100, 100, 108, 108], 0.9)], [[100 - margin, 100 - margin, 108 + margin, 108 + margin]])
    assert score([tight]).average_precision == 0.0
    assert official([tight]).average_precision == 1.0


def test_the_paper_oracle_ranks_by_the_answer_whatever_the_detector_said() -> None:
    half = [10, 10, 30, 30]
    wrong_but_sure = image([(half, 0.1), (box_at(300), 0.99)], [[0, 0, 40, 40]])
    assert paper_oracle([wrong_but_sure]).average_precision == 1.0
    assert score([wrong_but_sure]).average_precision < 1.0


def test_nothing_detected_and_nothing_there_are_zeros_not_errors() -> None:
    for nothing in ([], [image([], [])], [image([], [box_at(0)])], [image([(box_at(0), 0.5)], [])]):
        for figures in (official(nothing), paper_oracle(nothing)):
            assert figures.average_precision == 0.0
            assert figures.f1 == 0.0


def test_arrays_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence must be \[1\], but got \[0\]"):
        ImageDetections(np.zeros((1, 4)), np.zeros(0), np.zeros((0, 4)))
    with pytest.raises(ValueError, match=r"truth must be \[N, 4\]"):
        ImageDetections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5)))


@given(st.lists(images, max_size=4), st.randoms(use_true_random=False))
def test_no_order_of_images_detections_or_boxes_changes_a_figure(examples, random) -> None:
    shuffled = []
    for example in examples:
        detection_order = random.sample(range(len(example.boxes)), len(example.boxes))
        truth_order = random.sample(range(len(example.truth)), len(example.truth))
        shuffled.append(
            ImageDetections(
                example.boxes[detection_order], example.confidence[detection_order], example.truth[truth_order]
            )
        )
    random.shuffle(shuffled)
    for protocol in (score, official, paper_oracle):
        before, after = protocol(examples), protocol(shuffled)
        assert after.matched == before.matched
        assert after.average_precision == pytest.approx(before.average_precision)
        assert after.best_f1 == pytest.approx(before.best_f1)


@given(st.lists(images, max_size=4))
def test_figures_are_shares_and_no_box_is_matched_twice(examples) -> None:
    figures = score(examples)
    for share in (figures.average_precision, figures.precision, figures.recall, figures.f1, figures.best_f1):
        assert 0.0 <= share <= 1.0
    assert figures.best_f1 >= figures.f1
    assert figures.matched <= min(figures.annotated, figures.detected)
    assert figures.average_precision <= figures.recall + 1e-12
    for example in examples:
        taken = [index for index in match(example) if index >= 0]
        assert len(taken) == len(set(taken))


@given(st.lists(boxes, min_size=1, max_size=6, unique_by=tuple), st.randoms(use_true_random=False))
def test_detecting_exactly_the_annotated_boxes_is_perfect(truth, random) -> None:
    perfect = image([(box, random.choice([0.2, 0.6, 0.9])) for box in truth], truth)
    figures = score([perfect])
    assert (figures.average_precision, figures.f1, figures.best_f1) == (1.0, 1.0, 1.0)
