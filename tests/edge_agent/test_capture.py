"""Capture: a command gets a frame taken after it came; free-run keeps the newest; a lost camera is opened again."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import numpy as np
import pytest

from edge_agent import capture as module
from edge_agent.cameras.camera import Camera, Frame
from edge_agent.capture import Capture, CommandCapture, SelfTriggeredCapture
from edge_agent.errors import CameraError
from edge_agent.inspection.inspection import Reason
from edge_agent.triggers import Picture, Trigger, TriggerQueue


class ScriptedCamera(Camera):
    """Gives a frame, or raises, whenever the test puts something into `script`."""

    def __init__(self) -> None:
        self.name = "scripted"
        self.script: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self.opened = 0
        self.reads = 0
        self.number = 0

    def open(self) -> None:
        self.opened += 1

    def read(self) -> Frame | None:
        self.reads += 1
        error = self.script.get(timeout=10)
        if error:
            raise error
        self.number += 1
        return Frame(np.zeros((2, 2, 3), np.uint8), datetime.now(timezone.utc), time.monotonic_ns(), self.number)

    def close(self) -> None:
        pass


@contextmanager
def running(capture: Capture, camera: ScriptedCamera) -> Iterator[None]:
    capture.start()
    try:
        yield
    finally:
        capture.stopping.set()
        camera.script.put(None)
        assert capture.join(5)


def wait_until_reading(camera: ScriptedCamera, reads: int) -> None:
    end = time.monotonic() + 5
    while camera.reads < reads:
        assert time.monotonic() < end
        time.sleep(0.002)


def take(triggers: TriggerQueue, timeout_s: float = 5) -> tuple[Trigger, Picture]:
    taken = triggers.take(timeout_s)
    assert taken
    return taken


def number(picture: Picture) -> int:
    assert isinstance(picture, Frame)
    return picture.number


def test_a_frame_whose_reading_began_before_the_trigger_is_not_used() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=5)
    with running(CommandCapture(camera, triggers, live=True), camera):
        wait_until_reading(camera, 1)
        triggers.accept(Trigger("command", "a"))  # the reading of frame 1 has begun
        camera.script.put(None)
        camera.script.put(None)
        trigger, picture = take(triggers)
    assert trigger.part_id == "a"
    assert number(picture) == 2


def test_a_live_camera_serves_all_triggers_that_wait_with_one_frame() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=5)
    with running(CommandCapture(camera, triggers, live=True), camera):
        wait_until_reading(camera, 1)
        for part_id in "ab":
            triggers.accept(Trigger("command", part_id))
        camera.script.put(None)
        camera.script.put(None)
        assert [number(take(triggers)[1]) for _ in "ab"] == [2, 2]


def test_a_source_that_waits_is_read_once_a_trigger() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=5)
    with running(CommandCapture(camera, triggers, live=False), camera):
        for part_id in "ab":
            triggers.accept(Trigger("command", part_id))
            camera.script.put(None)
        assert [number(take(triggers)[1]) for _ in "ab"] == [1, 2]
        assert camera.reads == 2


def test_a_camera_that_hangs_still_gives_each_trigger_its_error_in_time() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=0.1)
    with running(CommandCapture(camera, triggers, live=True), camera):
        began = time.monotonic()
        triggers.accept(Trigger("command", "a"))
        _, picture = take(triggers)
        assert isinstance(picture, Reason)
        assert picture.code == "no-frame"
        assert time.monotonic() - began < 1


def test_a_camera_that_goes_away_is_opened_again_and_serves_the_trigger_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REOPEN_MIN_S", 0.01)
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=5)
    capture = CommandCapture(camera, triggers, live=False)
    with running(capture, camera):
        triggers.accept(Trigger("command", "a"))
        camera.script.put(CameraError("unplugged"))
        wait_until_reading(camera, 2)
        assert capture.trouble.startswith("unplugged; next try in ")
        camera.script.put(None)
        assert number(take(triggers)[1]) == 1
    assert camera.opened == 2
    assert capture.trouble == ""


def test_free_run_on_a_live_camera_inspects_the_newest_frame() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=5)
    with running(SelfTriggeredCapture(camera, triggers, live=True, kind="free-run", interval_s=0), camera):
        for _ in range(5):
            camera.script.put(None)
        wait_until_reading(camera, 6)
        assert number(take(triggers)[1]) == 5
        assert triggers.take(0) is None


def test_free_run_says_once_that_its_camera_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPEN_MIN_S", 0.01)
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=5)
    with running(SelfTriggeredCapture(camera, triggers, live=True, kind="free-run", interval_s=0), camera):
        for _ in range(3):
            camera.script.put(CameraError("unplugged"))
        wait_until_reading(camera, 4)
        assert take(triggers)[1] == Reason("camera-lost", "unplugged")
        assert triggers.take(0.05) is None
        camera.script.put(None)
        assert number(take(triggers)[1]) == 1


def test_no_picture_of_a_folder_is_left_out_while_triggers_are_refused() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=1, deadline_s=5)
    with running(SelfTriggeredCapture(camera, triggers, live=False, kind="file", interval_s=0), camera):
        wait_until_reading(camera, 1)
        triggers.refuse(Reason("storage", "full"))  # the reading of frame 1 has begun
        camera.script.put(None)
        assert triggers.take(0.2) is None
        triggers.refuse(None)
        assert number(take(triggers)[1]) == 1
