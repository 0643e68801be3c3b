"""Raw pictures of industrial cameras become BGR: the right colour in the right place."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.cameras.pixel_formats import FORMATS, to_bgr

BLUE_GREEN_RED = {"B": 0, "G": 1, "R": 2}


@pytest.mark.parametrize("first_two", ["RG", "GR", "GB", "BG"])
@pytest.mark.parametrize(("bits", "full"), [(8, 255), (12, 4095)])
@pytest.mark.parametrize("colour", ["R", "G", "B"])
def test_a_mosaic_shows_the_colour_that_the_camera_saw(first_two: str, bits: int, full: int, colour: str) -> None:
    rows = {"RG": ("RG", "GB"), "GR": ("GR", "BG"), "GB": ("GB", "RG"), "BG": ("BG", "GR")}[first_two]
    cell = np.array([[full * (letter == colour) for letter in row] for row in rows])
    raw = np.tile(cell, (8, 8)).astype("u1" if bits == 8 else "<u2")
    image = to_bgr(raw.tobytes(), f"Bayer{first_two}{bits}", 16, 16)
    assert image is not None
    expected = [0, 0, 0]
    expected[BLUE_GREEN_RED[colour]] = 255
    np.testing.assert_allclose(image[8, 8], expected, atol=1)


def test_rgb_becomes_bgr() -> None:
    image = to_bgr(bytes((10, 20, 30)) * 6, "RGB8", 3, 2)
    assert image is not None
    assert image.shape == (2, 3, 3)
    assert image[1, 2].tolist() == [30, 20, 10]


def test_twelve_bits_become_eight() -> None:
    image = to_bgr(np.array([0x0FFF, 0x0800], "<u2").tobytes(), "Mono12", 2, 1)
    assert image is not None
    assert image[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_of_too_few_bytes_is_none_and_more_bytes_are_left_out(name: str) -> None:
    form = FORMATS[name]
    needed = 8 * 6 * form.channels * (1 if form.bits == 8 else 2)
    assert to_bgr(bytes(needed - 1), name, 8, 6) is None
    image = to_bgr(bytes(needed + 5), name, 8, 6)
    assert image is not None
    assert (image.shape, image.dtype) == ((6, 8, 3), np.uint8)
