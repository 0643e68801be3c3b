"""Video files, devices, network cameras and GStreamer pipelines."""

import socket

import cv2
import numpy as np
import pytest

from edge_agent.cameras.gstreamer import GStreamerCamera, has_gstreamer
from edge_agent.cameras.video import VideoCamera
from edge_agent.errors import CameraError


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for grey in (40, 120, 200):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    return str(path)


def test_a_video_file_gives_its_frames_and_ends(video):
    camera = VideoCamera(video)
    camera.open()
    frames = [camera.read() for _ in range(3)]
    assert [round(float(frame.image.mean()), -1) for frame in frames] == [40, 120, 200]
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert camera.read() is None


def test_a_looping_video_file_begins_again(video):
    camera = VideoCamera(video, loop=True)
    camera.open()
    greys = [round(float(camera.read().image.mean()), -1) for _ in range(5)]
    assert greys == [40, 120, 200, 40, 120]


def test_a_camera_can_be_closed_twice_and_opened_again(video):
    camera = VideoCamera(video)
    camera.open()
    camera.close()
    camera.close()
    with pytest.raises(CameraError, match="not open"):
        camera.read()
    camera.open()
    assert camera.read() is not None


def test_a_missing_video_file_is_named():
    with pytest.raises(CameraError, match=r"nowhere\.mp4: there is no such video file"):
        VideoCamera("nowhere.mp4").open()


def test_a_file_that_is_no_video_does_not_open(tmp_path):
    path = tmp_path / "line.mp4"
    path.write_bytes(b"not a video" * 100)
    with pytest.raises(CameraError, match="no video that OpenCV can read"):
        VideoCamera(str(path)).open()


@pytest.mark.parametrize("source", ["97", "/dev/video97"])
def test_a_device_that_is_not_plugged_in_is_named(source):
    with pytest.raises(CameraError, match=r"/dev/video97: there is no such device; plug the camera in"):
        VideoCamera(source).open()


def test_a_network_camera_that_does_not_answer_is_named_without_its_password():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(CameraError, match="does not answer") as caught:
        VideoCamera(f"rtsp://line:secret@127.0.0.1:{port}/main").open()
    assert f"rtsp://line@127.0.0.1:{port}/main" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(has_gstreamer(), reason="this OpenCV has GStreamer")
@pytest.mark.parametrize("source", ["csi", "csi:1", "videotestsrc ! appsink"])
def test_an_opencv_without_gstreamer_says_so(source):
    with pytest.raises(CameraError, match="is built without GStreamer"):
        GStreamerCamera(source).open()


@pytest.mark.skipif(not has_gstreamer(), reason="this OpenCV is built without GStreamer")
def test_a_pipeline_delivers_frames():
    camera = GStreamerCamera("videotestsrc num-buffers=5 ! videoconvert ! video/x-raw,format=BGR ! appsink")
    camera.open()
    assert camera.read().image.shape[2] == 3
    camera.close()
