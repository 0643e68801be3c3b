"""A GStreamer pipeline as a camera: CSI cameras of a Jetson, and whatever else GStreamer can read."""

from __future__ import annotations

import re

import cv2

from edge_agent.cameras.stream import StreamCamera
from edge_agent.errors import CameraError

CSI = (
    "nvarguscamerasrc sensor-id={sensor} ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert"
    " ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
)


class GStreamerCamera(StreamCamera):
    """Reads the appsink of a pipeline.

    Args:
        source: a pipeline that ends in appsink; "csi" or "csi:1" for a CSI camera of a Jetson by its sensor number.
    """

    def __init__(self, source: str) -> None:
        preset = re.fullmatch(r"csi(?::(\d+))?", source.strip())
        self._pipeline = CSI.format(sensor=preset[1] or 0) if preset else source
        super().__init__(source if preset else "gstreamer")

    def _connect(self) -> cv2.VideoCapture:
        if not has_gstreamer():
            raise CameraError(
                f"the OpenCV at hand ({cv2.__version__}, {cv2.__file__}) is built without GStreamer",
                where=self.name,
                mend="use the OpenCV of JetPack: pip uninstall opencv-python-headless opencv-python",
            )
        if "appsink" not in self._pipeline:
            raise CameraError(
                "the pipeline has no appsink",
                where=self._pipeline,
                mend="end it with: ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1",
            )
        return cv2.VideoCapture(self._pipeline, cv2.CAP_GSTREAMER)

    def _refused(self) -> CameraError:
        return CameraError(
            "the pipeline does not start", where=self._pipeline, mend="try it with gst-launch-1.0 and fakesink"
        )


def has_gstreamer() -> bool:
    """Whether this OpenCV was built with GStreamer; the list of back ends names it either way."""
    return re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()) is not None
