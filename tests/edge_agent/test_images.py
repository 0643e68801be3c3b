from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.errors import ImageError
from edge_agent.images import read_image
from tests.support.scenes import connector

IMAGE = connector()


def jpeg(*parameters: int) -> bytes:
    return bytes(cv2.imencode(".jpg", IMAGE, parameters)[1])


@pytest.mark.parametrize("parameters", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)])
@pytest.mark.parametrize("missing", [1, 2, 600, 10_000])
def test_a_jpeg_without_its_end_is_refused_whatever_opencv_makes_of_it(
    tmp_path: Path, parameters: tuple[int, ...], missing: int
) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(jpeg(*parameters)[:-missing])
    with pytest.raises(ImageError, match="is cut off"):
        read_image(path)


def test_what_stands_after_the_end_of_a_jpeg_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "padded.jpg"
    path.write_bytes(jpeg() + bytes(100))
    assert read_image(path).shape == IMAGE.shape


def test_the_thumbnail_in_a_jpeg_is_not_taken_for_its_end(tmp_path: Path) -> None:
    thumbnail = bytes(cv2.imencode(".jpg", IMAGE[:32, :32])[1])
    whole = jpeg()
    with_thumbnail = whole[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + whole[2:]
    path = tmp_path / "camera.jpg"
    path.write_bytes(with_thumbnail)
    assert read_image(path).shape == IMAGE.shape
    path.write_bytes(with_thumbnail[:-5000])
    with pytest.raises(ImageError, match="is cut off"):
        read_image(path)


def test_depth_colours_and_transparency_become_bgr_of_8_bits(tmp_path: Path) -> None:
    gray = cv2.cvtColor(IMAGE, cv2.COLOR_BGR2GRAY)
    for name, image in {
        "16 bits.png": IMAGE.astype(np.uint16) * 257,
        "gray.png": gray,
        "gray.tif": gray,
        "clear.png": np.dstack([IMAGE, gray * 0]),
    }.items():
        cv2.imwrite(str(tmp_path / name), image)
        read = read_image(tmp_path / name)
        assert (read.dtype, read.shape) == (np.uint8, IMAGE.shape)
        wanted = np.repeat(gray[..., None], 3, axis=2) if "gray" in name else IMAGE
        np.testing.assert_array_equal(read, wanted)


def test_what_is_no_file_of_its_own_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path, complaint in ((tmp_path / "pipe.png", "is no file"), (tmp_path, "is a folder")):
        with pytest.raises(ImageError, match=complaint):
            read_image(path)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match="is empty"):
        read_image(tmp_path / "empty.png")


def test_a_small_file_that_claims_an_enormous_picture_takes_no_memory(tmp_path: Path) -> None:
    side = 15_000

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    rows = zlib.compressobj(1)
    pixels = b"".join(rows.compress(bytes(1 + 3 * side)) for _ in range(side)) + rows.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    command = [sys.executable, "-m", "edge_agent.cli.main", "teach", str(path), "--out", str(tmp_path / "recipe")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    # OpenCV refuses by the header; decoded first it would be "has 15000 × 15000 pixels"
    assert done.stderr == f"edge-agent: {path}: has more pixels than any camera; give a smaller image\n"
