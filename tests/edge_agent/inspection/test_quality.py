from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_agent.inspection.quality import check, digest, measure
from tests.support.scenes import connector, noisy

TEMPLATE = connector()
MASK = np.ones(TEMPLATE.shape[:2], np.uint8)


def code(test: np.ndarray, template: np.ndarray = TEMPLATE) -> str:
    refusal = check(measure(test, MASK), measure(template, MASK))
    return refusal.code if refusal else ""


@pytest.mark.parametrize("gain", [0.5, 0.8, 1.0, 1.15])
def test_a_picture_in_somewhat_other_light_is_accepted(gain: float) -> None:
    assert code(noisy(TEMPLATE, 1, gain)) == ""


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_a_slightly_soft_picture_is_accepted(sigma: float) -> None:
    assert code(noisy(cv2.GaussianBlur(TEMPLATE, (0, 0), sigma))) == ""


def test_a_blurred_picture_is_refused() -> None:
    assert code(cv2.GaussianBlur(TEMPLATE, (0, 0), 6)) == "blurred"


def test_a_dark_picture_is_refused() -> None:
    assert code(noisy(TEMPLATE, 1, 0.15)) == "too-dark"
    assert code(np.zeros_like(TEMPLATE)) == "too-dark"


def test_an_overexposed_picture_is_refused() -> None:
    assert code(noisy(TEMPLATE, 1, 4.0)) == "too-bright"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_binarised_print_is_accepted(share: float) -> None:
    grain = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(280, 400)), (0, 0), 6)
    template = np.repeat(np.where(grain > np.quantile(grain, share), 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    test = template.copy()
    test[100:130, 100:130] = 255 - test[100:130, 100:130]
    assert code(test, template) == ""


def test_a_mostly_white_scene_is_accepted() -> None:
    white = np.full_like(TEMPLATE, 255)
    white[100:150, 150:250] = TEMPLATE[100:150, 150:250]
    assert code(noisy(white), white) == ""


def test_a_dark_part_may_be_dark() -> None:
    dark = (TEMPLATE * 0.1).astype(np.uint8)
    assert code(dark, dark) == ""


def test_only_an_identical_frame_has_the_same_digest() -> None:
    assert digest(TEMPLATE) == digest(TEMPLATE.copy())
    assert digest(TEMPLATE) != digest(noisy(TEMPLATE))
