"""What the simulated camera promises to the demo, the tests and the benchmarks."""

import time

import cv2
import numpy as np
import pytest

from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.cameras.simulation.connectors import CONNECTORS
from edge_agent.cameras.simulation.objects import KINDS
from edge_agent.errors import CameraError

SMALL = (480, 320)


@pytest.fixture(scope="module")
def camera():
    return SimulatedCamera("dsub9", SMALL, seed=7)


@pytest.fixture(scope="module")
def loaded():
    return SimulatedCamera("dsub9", SMALL, seed=7, share=1.0)


def test_the_same_seed_gives_the_same_parts_in_any_order(camera):
    again = SimulatedCamera("dsub9", SMALL, seed=7)
    fifth = again.part(5)
    assert np.array_equal(camera.part(0)[0], again.part(0)[0])
    assert np.array_equal(camera.part(5)[0], fifth[0])
    assert camera.part(5)[1] == fifth[1]


def test_another_seed_gives_other_parts(camera):
    assert not np.array_equal(SimulatedCamera("dsub9", SMALL, seed=8).part(0)[0], camera.part(0)[0])


def test_frames_are_numbered_from_0_and_end_after_the_parts_asked_for():
    camera = SimulatedCamera("dsub9", SMALL, parts=3)
    camera.open()
    frames = [camera.read(), camera.read()]
    camera.close()
    camera.open()  # as after a failure: the line goes on
    frames += [camera.read(), camera.read()]
    assert [frame and frame.number for frame in frames] == [0, 1, 2, None]


def test_frames_are_bgr_pictures_of_the_size_asked_for(camera):
    frame = camera.read()
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == (320, 480, 3)
    assert camera.template().shape == (320, 480, 3)


def test_the_share_of_parts_with_an_object_is_what_was_asked_for(camera):
    with_object = [camera.part(number)[1].kind != "" for number in range(100)]
    assert 0.28 < np.mean(with_object) < 0.52


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_part_or_every_part_has_an_object(share):
    camera = SimulatedCamera("dsub9", SMALL, share=share)
    assert {camera.part(number)[1].kind != "" for number in range(12)} == {share == 1.0}


def test_every_kind_of_object_comes_up(loaded):
    assert {loaded.part(number)[1].kind for number in range(40)} == set(KINDS)


def test_objects_lie_on_the_face_and_are_at_least_6_px_long(loaded):
    outline = np.array(loaded.region(), np.float32)
    reach = 12  # pose jitter moves the face under the region of the template
    for number in range(40):
        truth = loaded.part(number)[1]
        assert truth.length_px >= 6
        x0, y0, x1, y1 = truth.bbox_px
        assert x0 < x1
        assert y0 < y1
        centre = ((x0 + x1) / 2, (y0 + y1) / 2)
        assert cv2.pointPolygonTest(outline, centre, measureDist=True) > -reach


def test_the_truth_says_where_the_picture_differs_from_the_same_part_without_its_object(loaded):
    """Parts share pose, light and noise whether they carry an object or not: the difference is the object alone."""
    clean = SimulatedCamera("dsub9", SMALL, seed=7, share=0.0)
    for number in range(20):
        image, truth = loaded.part(number)
        difference = np.abs(image.astype(int) - clean.part(number)[0].astype(int)).mean(axis=2)
        x0, y0, x1, y1 = truth.bbox_px
        inside = difference[y0:y1, x0:x1]
        away = difference.copy()
        away[max(0, y0 - 24) : y1 + 24, max(0, x0 - 24) : x1 + 24] = 0
        assert inside.max() > 20
        assert away.max() < 6


def test_the_scale_is_that_of_the_connector():
    camera = SimulatedCamera("dsub25", SMALL)
    xs = [x for x, _ in camera.region()]
    assert (max(xs) - min(xs)) * camera.mm_per_px == pytest.approx(38.8 - 2 * 0.62, abs=0.5)


@pytest.mark.parametrize("name", CONNECTORS)
def test_every_connector_can_be_drawn_with_its_face_in_the_picture(name):
    camera = SimulatedCamera(name, SMALL)
    template = camera.template()
    corners = np.array(camera.region())
    assert corners.min() >= 0
    assert (corners.max(axis=0) < SMALL).all()
    assert template.std() > 20


def test_an_unknown_connector_is_refused_with_the_names_that_there_are():
    with pytest.raises(CameraError, match="take one of: dsub9, "):
        SimulatedCamera("usb-c")


def test_a_picture_too_small_to_hold_an_object_is_refused():
    with pytest.raises(CameraError, match="at least 320 × 320 pixels, but got 100 × 80"):
        SimulatedCamera("dsub9", (100, 80))


def test_a_part_of_full_size_takes_well_below_a_second():
    camera = SimulatedCamera()
    camera.part(0)
    began = time.perf_counter()
    for number in range(5):
        camera.part(number)
    assert (time.perf_counter() - began) / 5 < 0.5
