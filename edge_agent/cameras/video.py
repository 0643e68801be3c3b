"""Video through OpenCV: V4L2 devices, network cameras, files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2

from edge_agent.cameras.camera import Frame
from edge_agent.cameras.stream import StreamCamera
from edge_agent.errors import CameraError

NETWORK_TIMEOUT_MS = 5000  # below the watchdog's patience; FFmpeg's own is 30 s


class VideoCamera(StreamCamera):
    """A V4L2 device, a network stream or a video file.

    Args:
        source: device number or path ("0", "/dev/video0"), address ("rtsp://…"), or path of a file.
        loop: a file begins again at its end.
        size: width × height asked of a device; 0 takes its own.
        fps: frames a second asked of a device; 0 takes its own.
    """

    def __init__(self, source: str, loop: bool = False, size: tuple[int, int] = (0, 0), fps: float = 0.0) -> None:
        super().__init__(_without_password(source))
        device = f"/dev/video{int(source)}" if source.isdecimal() else source
        self._device = device if device.startswith("/dev/") else ""
        self._address = source if "://" in source else ""
        self._source, self._loop, self._size, self._fps = source, loop, size, fps
        self._frames = 0

    def _connect(self) -> cv2.VideoCapture:
        self._frames = 0
        if self._device:
            return self._connect_device()
        if self._address:
            patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
            patience += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
            return cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, patience)
        if not Path(self._source).is_file():
            raise CameraError("there is no such video file", where=self.name, mend="check the path")
        return cv2.VideoCapture(self._source)

    def _connect_device(self) -> cv2.VideoCapture:
        if not Path(self._device).exists():
            there = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
            raise CameraError(
                "there is no such device", where=self._device, mend=f"plug the camera in (devices there: {there})"
            )
        if not os.access(self._device, os.R_OK | os.W_OK):
            raise CameraError(
                "the device may not be used by this user", where=self._device, mend="add the user to the group video"
            )
        capture = cv2.VideoCapture(self._device, cv2.CAP_V4L2)
        width, height = self._size
        for setting, value in (
            (cv2.CAP_PROP_BUFFERSIZE, 1),  # what waits in the driver is old
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, self._fps),
        ):
            if value and capture.isOpened():
                capture.set(setting, value)
        return capture

    def _refused(self) -> CameraError:
        if self._device:
            return CameraError("the device does not open", where=self.name, mend="check that no other program uses it")
        if self._address:
            return CameraError("does not answer", where=self.name, mend="check address, user, password and network")
        return CameraError("is no video that OpenCV can read", where=self.name, mend="convert it to MP4 (H.264)")

    def read(self) -> Frame | None:
        """The next frame; None at the end of a file. Raises CameraError when a live source has gone away."""
        frame = super().read()
        if frame is not None:
            self._frames += 1
        return frame

    def _ended(self) -> Frame | None:
        if self._device or self._address:
            return super()._ended()
        if not self._frames:
            raise CameraError("the video holds no frame", where=self.name, mend="check the file")
        if not self._loop:
            return None
        self.open()
        return self.read()


def _without_password(source: str) -> str:
    """An address as it may stand in logs and messages."""
    scheme, separator, rest = source.partition("://")
    login, at, place = rest.rpartition("@")
    return f"{scheme}://{login.split(':')[0]}@{place}" if separator and at else source
