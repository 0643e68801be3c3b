"""A folder of images as a camera."""

import cv2
import numpy as np
import pytest

from edge_agent.cameras.folder import FolderCamera
from edge_agent.errors import CameraError, ImageError


def write(path, grey):
    cv2.imwrite(str(path), np.full((20, 30, 3), grey, np.uint8))


def names_until_the_end(camera):
    names = []
    while (frame := camera.read()) is not None:
        names.append(frame.source.rsplit("/", 1)[-1])
    return names


def test_images_come_in_natural_order_and_then_the_folder_ends(tmp_path):
    for name in ("part-10.png", "part-2.png", "part-1.png", "A-3.jpg"):
        write(tmp_path / name, 90)
    (tmp_path / "notes.txt").write_text("no image")
    camera = FolderCamera(tmp_path)
    camera.open()
    assert names_until_the_end(camera) == ["A-3.jpg", "part-1.png", "part-2.png", "part-10.png"]
    assert camera.read() is None


def test_names_that_only_differ_in_leading_zeros_have_a_fixed_order(tmp_path):
    for name in ("1.png", "01.png", "001.png"):
        write(tmp_path / name, 90)
    camera = FolderCamera(tmp_path)
    camera.open()
    assert names_until_the_end(camera) == ["001.png", "01.png", "1.png"]


def test_a_looping_folder_begins_again_and_counts_on(tmp_path):
    write(tmp_path / "a.png", 10)
    write(tmp_path / "b.png", 20)
    camera = FolderCamera(tmp_path, loop=True)
    camera.open()
    frames = [camera.read() for _ in range(5)]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 10, 20, 10]
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]


def test_a_broken_image_is_named_and_the_next_read_goes_on(tmp_path):
    write(tmp_path / "1.png", 10)
    (tmp_path / "2.png").write_bytes(b"not a picture")
    write(tmp_path / "3.png", 30)
    camera = FolderCamera(tmp_path)
    camera.open()
    assert camera.read().number == 0
    with pytest.raises(ImageError, match=r"2\.png"):
        camera.read()
    assert camera.read().source.endswith("3.png")
    assert camera.read() is None


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_is_missing_or_empty_does_not_open(tmp_path, there):
    folder = tmp_path if there else tmp_path / "missing"
    with pytest.raises(CameraError, match=r"holds no image|cannot be read"):
        FolderCamera(folder).open()
