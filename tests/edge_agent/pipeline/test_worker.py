"""Workers end when asked, come back when they fail, and are given up when that does not help."""

from __future__ import annotations

import threading
import time

import pytest

from edge_agent.errors import CameraError
from edge_agent.pipeline import supervisor as module
from edge_agent.pipeline.supervisor import Supervisor
from edge_agent.pipeline.worker import Worker


class Counter(Worker):
    """Counts its steps; fails at the steps named."""

    def __init__(self, fails_at: tuple[int, ...] = (), last: int = 0) -> None:
        super().__init__("counter")
        self.steps, self.set_ups, self.tear_downs = 0, 0, 0
        self.fails_at, self.last = fails_at, last

    def set_up(self) -> None:
        self.set_ups += 1

    def step(self) -> bool:
        self.steps += 1
        if self.steps in self.fails_at:
            raise CameraError("gone", where="camera 0")
        self.wait(0.005)
        return self.steps != self.last

    def tear_down(self) -> None:
        self.tear_downs += 1


def _look_until_done(supervisor: Supervisor, worker: Worker) -> None:
    end = time.monotonic() + 60
    while not worker.done:
        assert time.monotonic() < end
        supervisor.look()
        time.sleep(0.005)


def test_a_worker_sets_up_steps_and_tears_down_once() -> None:
    worker = Counter(last=5)
    supervisor = Supervisor([worker])
    supervisor.start(worker)
    assert worker.join(60)
    supervisor.look()
    assert (worker.steps, worker.set_ups, worker.tear_downs, worker.done) == (5, 1, 1, True)


def test_a_failed_worker_is_restarted_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RESTART_MIN_S", 0.02)
    worker = Counter(fails_at=(2, 4), last=6)
    supervisor = Supervisor([worker])
    supervisor.start(worker)
    _look_until_done(supervisor, worker)
    assert (worker.steps, worker.set_ups, worker.tear_downs) == (6, 3, 3)
    assert 'worker-failed worker=counter why="camera 0: gone"' in caplog.messages
    assert [m for m in caplog.messages if m.startswith("worker-restarts")] == [
        "worker-restarts worker=counter in_s=0.02",
        "worker-restarts worker=counter in_s=0.04",
    ]


def test_a_waiting_worker_stops_at_once() -> None:
    class Sleeper(Counter):
        def step(self) -> bool:
            return not self.wait(60)

    worker = Sleeper()
    supervisor = Supervisor([worker])
    supervisor.start(worker)
    began = time.monotonic()
    supervisor.stop([worker], timeout_s=60)
    assert time.monotonic() - began < 30
    assert worker.tear_downs == 1
    assert not worker.alive


def test_a_worker_that_hangs_is_named_and_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    class Hanging(Counter):
        def step(self) -> bool:
            release.wait(60)
            return False

    worker = Hanging()
    supervisor = Supervisor([worker], hang_s=0.05)
    supervisor.start(worker)
    time.sleep(0.1)
    supervisor.look()
    assert supervisor.lost == "counter hangs: no sign of life for 0.05 s"
    assert supervisor.troubles() == [supervisor.lost]
    supervisor.stop([worker], timeout_s=60)
    release.set()
    assert "worker-hangs worker=counter after_s=60" in caplog.messages


def test_a_worker_that_takes_long_and_gives_signs_of_life_does_not_hang() -> None:
    done = threading.Event()

    class Slow(Counter):
        def step(self) -> bool:
            end = time.monotonic() + 2.2
            while time.monotonic() < end:
                time.sleep(0.01)
                self.beat()
            done.set()
            return False

    worker = Slow()
    supervisor = Supervisor([worker], hang_s=2.0)
    supervisor.start(worker)
    while not done.wait(0.01):
        supervisor.look()
    assert supervisor.lost == ""


def test_a_worker_that_fails_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_MIN_S", 0.01)
    monkeypatch.setattr(module, "RESTART_MAX_S", 0.01)
    worker = Counter(fails_at=tuple(range(1, 100)))
    supervisor = Supervisor([worker], restarts=3)
    supervisor.start(worker)
    end = time.monotonic() + 60
    while not supervisor.lost:
        assert time.monotonic() < end
        supervisor.look()
        time.sleep(0.005)
    assert supervisor.lost == "counter failed 4 times within 10 minutes: camera 0: gone"
    assert worker.steps == 4


def test_failures_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_MIN_S", 0.01)
    monkeypatch.setattr(module, "RESTART_MAX_S", 0.01)
    monkeypatch.setattr(module, "RECENT_S", 0.0)
    worker = Counter(fails_at=tuple(range(1, 6)), last=6)
    supervisor = Supervisor([worker], restarts=1)
    supervisor.start(worker)
    _look_until_done(supervisor, worker)
    assert supervisor.lost == ""


def test_a_thread_that_is_no_worker_is_watched_too() -> None:
    silent = [1.0]
    supervisor = Supervisor([])
    supervisor.watch("mqtt", lambda: silent[0], 300)
    supervisor.look()
    assert supervisor.lost == ""
    silent[0] = 301.0
    supervisor.look()
    assert supervisor.lost == "mqtt hangs: no sign of life for 300 s"
