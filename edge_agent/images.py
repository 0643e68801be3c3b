"""Image files: read and written through memory, so that odd paths work and every failure has a reason."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError

MAX_BYTES = 256 << 20
MAX_PIXELS = 100_000_000  # above any industrial camera; below what eats a Jetson's memory
JPEG_BEGIN, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as BGR uint8 [H, W, 3]. Raises ImageError with path and reason."""
    where, content = str(path), _read(path)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):  # OpenCV's own limit, met before it takes the memory
            raise ImageError("has more pixels than any camera", where=where, mend="give a smaller image") from error
        image = None
    if image is None:
        raise ImageError(
            "is broken, or no image that OpenCV can read", where=where, mend="check the file, or save it as PNG"
        )
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise ImageError(
            f"has {image.shape[1]} × {image.shape[0]} pixels, more than {MAX_PIXELS // 1_000_000} million",
            where=where,
            mend="give a smaller image",
        )
    return np.asarray(image, np.uint8)


def _read(path: Path) -> bytes:
    """The file's bytes. Raises ImageError where there are none, too many, or not all of a JPEG's."""

    def refuse(what: str, mend: str) -> ImageError:
        return ImageError(what, where=str(path), mend=mend)

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or /dev/zero would never end
            raise refuse("is a folder" if stat.S_ISDIR(status.st_mode) else "is no file", "name an image file")
        if status.st_size > MAX_BYTES:
            raise refuse(f"is larger than {MAX_BYTES >> 20} MB", "give a smaller image")
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise refuse(f"cannot be read ({getattr(error, 'strerror', error)})", "check the path") from error
    if not content:
        raise refuse("is empty", "copy or take it again")
    if content.startswith(JPEG_BEGIN) and content.rfind(JPEG_END) < content.rfind(JPEG_SCAN):
        # OpenCV 4 paints what is missing grey, or blurred, and says nothing
        raise refuse("is cut off: the end of the JPEG is missing", "copy or take it again")
    return content


def write_image(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write an image ([H, W] or BGR [H, W, 3]); the suffix names the format. Raises ImageError."""
    try:
        done, content = cv2.imencode(path.suffix, image)
    except cv2.error:  # no such format
        done = False
    if not done:
        raise ImageError(f'cannot be written as "{path.suffix}"', where=str(path), mend="name it .png or .jpg")
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise ImageError(
            f"cannot be written ({error.strerror})", where=str(path), mend="check the folder, its permissions and space"
        ) from error
