"""Raw pictures of industrial cameras, named after GenICam's Pixel Format Naming Convention, to BGR."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PixelFormat:
    """How the bytes of a picture are to be read.

    Attributes:
        channels: values a pixel.
        bits: of a value; more than 8 stand in 16, the least significant byte first.
        conversion: to BGR, OpenCV's code; None if it is BGR already.
    """

    channels: int
    bits: int
    conversion: int | None


# GenICam names a mosaic by its first two pixels of the first row; OpenCV's names with four letters do the same.
_MOSAICS = {
    "BayerRG": cv2.COLOR_BayerRGGB2BGR,
    "BayerGR": cv2.COLOR_BayerGRBG2BGR,
    "BayerGB": cv2.COLOR_BayerGBRG2BGR,
    "BayerBG": cv2.COLOR_BayerBGGR2BGR,
}
FORMATS = {
    "Mono8": PixelFormat(1, 8, cv2.COLOR_GRAY2BGR),
    "Mono10": PixelFormat(1, 10, cv2.COLOR_GRAY2BGR),
    "Mono12": PixelFormat(1, 12, cv2.COLOR_GRAY2BGR),
    "Mono14": PixelFormat(1, 14, cv2.COLOR_GRAY2BGR),
    "Mono16": PixelFormat(1, 16, cv2.COLOR_GRAY2BGR),
    **{f"{name}{bits}": PixelFormat(1, bits, code) for name, code in _MOSAICS.items() for bits in (8, 10, 12, 16)},
    "BGR8": PixelFormat(3, 8, None),
    "RGB8": PixelFormat(3, 8, cv2.COLOR_RGB2BGR),
    "YUV422_8": PixelFormat(2, 8, cv2.COLOR_YUV2BGR_YUY2),
    "YUV422_8_UYVY": PixelFormat(2, 8, cv2.COLOR_YUV2BGR_UYVY),
}


def to_bgr(content: bytes, name: str, width: int, height: int) -> NDArray[np.uint8] | None:
    """The picture as BGR uint8 [height, width, 3]; None when there are too few bytes for it.

    Args:
        content: rows from the top, without gaps between them; what follows the picture is left out.
        name: one of FORMATS.
    """
    form = FORMATS[name]
    kind = np.dtype("u1" if form.bits == 8 else "<u2")
    count = width * height * form.channels
    if len(content) < count * kind.itemsize:
        return None
    values = np.frombuffer(content, kind, count).reshape((height, width, form.channels))
    image = np.ascontiguousarray(values >> (form.bits - 8), np.uint8)
    return image if form.conversion is None else np.asarray(cv2.cvtColor(image, form.conversion), np.uint8)
