"""`snapshot`: what the camera sees now, without an inspection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.cameras.camera import Frame
from edge_agent.commands.command import Command, Request
from edge_agent.commands.parsing import only, optional_number
from edge_agent.errors import CommandError, ImageError
from edge_agent.results.identifiers import uuid7

WIDTH_PX, MOST_PX = 1280, 8192
JPEG_QUALITY = 85


class Snapshot(Command):
    """`{}` or `{"width_px": 640}`: a JPEG on the topic `snapshot`; the reply says its `id` and size.

    Args:
        picture: the next one of the camera; raises CameraError.
        publish: takes JPEG bytes and id; False where too much waits for the broker.
    """

    name = "snapshot"
    slow = True

    def __init__(self, picture: Callable[[], Frame], publish: Callable[[bytes, str], bool]) -> None:
        self._picture, self._publish = picture, publish

    def obey(self, request: Request) -> dict[str, Any]:
        """Take it and send it."""
        only(request.arguments, "width_px")
        width = optional_number(request.arguments, "width_px", 0, MOST_PX) or WIDTH_PX
        frame = self._picture()
        jpeg = _jpeg(frame.image, max(int(width), 1))
        snapshot_id = uuid7()
        if not self._publish(jpeg, snapshot_id):
            raise CommandError("pictures asked for before wait for the broker; wait for them", code="busy")
        height, full_width = frame.image.shape[:2]
        return {"id": snapshot_id, "bytes": len(jpeg), "camera_px": [full_width, height]}


def _jpeg(image: NDArray[np.uint8], width: int) -> bytes:
    height, full_width = image.shape[:2]
    if width < full_width:
        size = (width, max(1, round(height * width / full_width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ImageError("the picture cannot be written as JPEG")
    return bytes(content.tobytes())
