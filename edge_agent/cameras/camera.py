"""What every camera is: open, read, close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One picture and when it was taken.

    Attributes:
        image: BGR uint8 [H, W, 3]; nobody writes into it.
        captured_at: UTC wall-clock time of the capture.
        monotonic_ns: time.monotonic_ns() at the capture, for latencies.
        number: counts the frames of this camera from 0.
        source: file name or device the frame came from, for people.
        truth: what a simulated camera put on the part; None for a real one.
    """

    image: NDArray[np.uint8]
    captured_at: datetime
    monotonic_ns: int
    number: int
    source: str = ""
    truth: SimulatedTruth | None = None


@dataclass(frozen=True)
class SimulatedTruth:
    """Ground truth of a simulated part.

    Attributes:
        kind: "sliver", "hair", "bead", "foil", "smear"; "" for a clean part.
        bbox_px: x0, y0, x1, y1 in the frame, half-open; None for a clean part.
        length_px: longest extent of the object in pixels; 0 for a clean part.
    """

    kind: str
    bbox_px: tuple[int, int, int, int] | None
    length_px: float


class Camera(ABC):
    """A source of frames. One thread owns it: open, read until done, close.

    `read` blocks until the next frame. It raises CameraError when the camera
    has gone away (the caller closes and reopens it) and returns None when a
    finite source has come to its end.
    """

    name: str

    @abstractmethod
    def open(self) -> None:
        """Make ready to read. Raises CameraError with what is missing and how to mend it."""

    @abstractmethod
    def read(self) -> Frame | None:
        """Take the next frame; None at the end of a finite source."""

    @abstractmethod
    def close(self) -> None:
        """Release the device. May be called at any time, also twice."""
