"""What every camera is: open, read, close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import CameraError


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


class NoPictureYetError(CameraError):
    """The camera is well, but its light barrier has not triggered it."""


class Camera(ABC):
    """A source of frames. One thread owns it: open, read until done, close.

    `read` blocks until the next frame. It raises CameraError when the camera
    has gone away (the caller closes and reopens it) and returns None when a
    finite source has come to its end.

    Attributes:
        name: the source, for people.
        on_demand: a picture is taken only when it is asked for, by `read` or by a light barrier: between two pictures
            nothing grows old, silence is no fault, and `check` tells whether the camera is still there.
        counts: what the camera counts, for the metrics; replaced as a whole, so that any thread may look at it.
    """

    name: str
    on_demand: bool = False
    counts: Mapping[str, int] = MappingProxyType({})

    @abstractmethod
    def open(self) -> None:
        """Make ready to read. Raises CameraError with what is missing and how to mend it."""

    @abstractmethod
    def read(self) -> Frame | None:
        """Take the next frame; None at the end of a finite source."""

    def check(self) -> None:  # noqa: B027 - most cameras say it when they are read
        """Raise CameraError if the camera has gone away while nobody read it."""

    @abstractmethod
    def close(self) -> None:
        """Release the device. May be called at any time, also twice."""
