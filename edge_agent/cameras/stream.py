"""What all cameras that OpenCV's VideoCapture reads have in common."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import datetime, timezone

import cv2
import numpy as np

from edge_agent.cameras.camera import Camera, Frame
from edge_agent.errors import CameraError


class StreamCamera(Camera):
    """Reads a VideoCapture; kinds of streams say how it is opened and what its end means.

    `read` waits for the next frame. The owner of a live source reads all the time: no frame grows old in the driver.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._capture: cv2.VideoCapture | None = None
        self._number = 0

    def open(self) -> None:
        """Open the stream. Raises CameraError."""
        self.close()
        capture = self._connect()
        if not capture.isOpened():
            capture.release()
            raise self._refused()
        self._capture = capture

    def read(self) -> Frame | None:
        """The next frame; None at the end of a file. Raises CameraError when a live source has gone away."""
        if self._capture is None:
            raise CameraError("the camera is not open", where=self.name)
        try:
            there, image = self._capture.read()
        except cv2.error:  # some back ends raise when the device vanishes in mid-frame
            there = False
        if not there:
            return self._ended()
        number = self._number
        self._number += 1
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        return Frame(
            np.asarray(image, np.uint8), datetime.now(timezone.utc), time.monotonic_ns(), number, source=self.name
        )

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    @abstractmethod
    def _connect(self) -> cv2.VideoCapture:
        """A VideoCapture, opened or not. Raises CameraError where the reason is known beforehand."""

    @abstractmethod
    def _refused(self) -> CameraError:
        """Why the stream could not be opened."""

    def _ended(self) -> Frame | None:
        """No frame came. A live source never ends, so it has gone away."""
        raise CameraError(
            "delivers no more frames", where=self.name, mend="check cable and power; it is opened again by itself"
        )
