"""Capture: a command gets a frame taken after it came; free-run keeps the newest; a lost camera is opened again."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import numpy as np
import pytest

from edge_agent.cameras.camera import Camera, Frame, NoPictureYetError
from edge_agent.errors import CameraError, ImageError
from edge_agent.inspection.inspection import Reason
from edge_agent.pipeline import capture as module
from edge_agent.pipeline.capture import CameraTriggeredCapture, Capture, CommandCapture, SelfTriggeredCapture
from edge_agent.pipeline.triggers import Picture, Trigger, TriggerQueue
from tests.support.listener import PATIENCE_S


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
        error = self.script.get(timeout=PATIENCE_S)
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
        assert capture.join(PATIENCE_S)


def wait_until_reading(camera: ScriptedCamera, reads: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while camera.reads < reads:
        assert time.monotonic() < end
        time.sleep(0.002)


def take(triggers: TriggerQueue, timeout_s: float = PATIENCE_S) -> tuple[Trigger, Picture]:
    taken = triggers.take(timeout_s)
    assert taken
    return taken


def number(picture: Picture) -> int:
    assert isinstance(picture, Frame)
    return picture.number


def test_a_frame_whose_reading_began_before_the_trigger_is_not_used() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    with running(CommandCapture(camera, triggers, live=True), camera):
        wait_until_reading(camera, 1)
        triggers.accept(Trigger("command", "a"))  # the reading of frame 1 has begun
        camera.script.put(None)
        camera.script.put(None)
        trigger, picture = take(triggers)
    assert trigger.part_id == "a"
    assert number(picture) == 2


def test_a_live_camera_serves_all_triggers_that_wait_with_one_frame() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    with running(CommandCapture(camera, triggers, live=True), camera):
        wait_until_reading(camera, 1)
        for part_id in "ab":
            triggers.accept(Trigger("command", part_id))
        camera.script.put(None)
        camera.script.put(None)
        assert [number(take(triggers)[1]) for _ in "ab"] == [2, 2]


def test_a_source_that_waits_is_read_once_a_trigger() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
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
        assert time.monotonic() - began < PATIENCE_S  # the camera alone would hang as long


def test_a_camera_that_goes_away_is_opened_again_and_serves_the_trigger_that_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REOPEN_MIN_S", 0.01)
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
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
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    with running(SelfTriggeredCapture(camera, triggers, live=True, kind="free-run", interval_s=0), camera):
        for _ in range(5):
            camera.script.put(None)
        wait_until_reading(camera, 6)
        assert number(take(triggers)[1]) == 5
        assert triggers.take(0) is None


def test_free_run_says_once_that_its_camera_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPEN_MIN_S", 0.01)
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    with running(SelfTriggeredCapture(camera, triggers, live=True, kind="free-run", interval_s=0), camera):
        for _ in range(3):
            camera.script.put(CameraError("unplugged"))
        wait_until_reading(camera, 4)
        assert take(triggers)[1] == Reason("camera-lost", "unplugged")
        assert triggers.take(0.05) is None
        camera.script.put(None)
        assert number(take(triggers)[1]) == 1


def test_no_picture_of_a_folder_is_left_out_while_triggers_are_refused() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=1, deadline_s=PATIENCE_S)
    with running(SelfTriggeredCapture(camera, triggers, live=False, kind="file", interval_s=0), camera):
        wait_until_reading(camera, 1)
        triggers.refuse(Reason("paused", "paused"), "paused")  # the reading of frame 1 has begun
        camera.script.put(None)
        assert triggers.take(0.2) is None
        triggers.refuse(None, "paused")
        assert number(take(triggers)[1]) == 1


def test_a_camera_that_takes_pictures_on_demand_is_read_once_a_trigger_and_asked_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    asked = threading.Event()

    class OnDemand(ScriptedCamera):
        on_demand = True

        def check(self) -> None:
            asked.set()

    camera, triggers = OnDemand(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    with running(CommandCapture(camera, triggers, live=True), camera):
        assert asked.wait(PATIENCE_S)
        assert camera.reads == 0
        triggers.accept(Trigger("command", "a"))
        camera.script.put(None)
        assert number(take(triggers)[1]) == 1
        assert camera.reads == 1


def test_each_picture_of_a_camera_with_a_light_barrier_is_a_part() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    with running(CameraTriggeredCapture(camera, triggers), camera):
        camera.script.put(None)
        camera.script.put(NoPictureYetError("nothing"))
        camera.script.put(ImageError("packets lost"))
        camera.script.put(None)
        taken = [take(triggers) for _ in range(3)]
    assert {trigger.kind for trigger, _ in taken} == {"camera"}
    assert [number(taken[0][1]), taken[1][1], number(taken[2][1])] == [1, Reason("bad-picture", "packets lost"), 2]


def test_a_part_that_comes_while_no_trigger_is_accepted_gets_its_error_in_its_turn() -> None:
    camera, triggers = ScriptedCamera(), TriggerQueue(limit=1, deadline_s=PATIENCE_S)
    with running(CameraTriggeredCapture(camera, triggers), camera):
        for reads in (2, 3):
            camera.script.put(None)
            wait_until_reading(camera, reads)  # the second part has come, and is owed its result
        first, picture = take(triggers)
        assert number(picture) == 1
        triggers.settle(first)
        camera.script.put(NoPictureYetError("nothing"))
        second, owed = take(triggers)
        assert isinstance(owed, Reason)
        assert owed.code == "busy"
        triggers.settle(second)
        camera.script.put(None)
        assert number(take(triggers)[1]) == 3


def test_the_next_try_to_open_a_camera_is_said_and_comes_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REOPEN_MIN_S", 0.1)
    said: list[float] = []

    class Absent(ScriptedCamera):
        def open(self) -> None:
            if match := re.search(r"gone; next try in (\d+\.\d) s", capture.trouble):
                said.append(float(match[1]))
            raise CameraError("gone")

    camera, triggers = Absent(), TriggerQueue(limit=4, deadline_s=PATIENCE_S)
    capture = CommandCapture(camera, triggers, live=True)
    with running(capture, camera):
        end = time.monotonic() + PATIENCE_S
        while len(said) < 4:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert said[3] > said[0]  # doubled three times, each shortened by half at most
