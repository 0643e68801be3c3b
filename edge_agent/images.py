"""Image files: read and written through memory, so that odd paths work and every failure has a reason."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageError

MAX_BYTES = 256 << 20
MAX_PIXELS = 100_000_000  # above any industrial camera; below what eats a Jetson's memory


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as BGR uint8 [H, W, 3]. Raises ImageError with path and reason."""
    where = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"is larger than {MAX_BYTES >> 20} MB", where=where, mend="give a smaller image")
        content = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})", where=where, mend="check the path") from error
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error:  # a header that promises more pixels than OpenCV allows
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
