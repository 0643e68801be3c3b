"""Workers end when asked, and come back when they fail."""

from __future__ import annotations

import threading
import time

import pytest

from edge_agent import worker as module
from edge_agent.errors import CameraError
from edge_agent.worker import Supervisor, Worker


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
    end = time.monotonic() + 10
    while not worker.done:
        assert time.monotonic() < end
        supervisor.look()
        time.sleep(0.005)


def test_a_worker_sets_up_steps_and_tears_down_once() -> None:
    worker = Counter(last=5)
    supervisor = Supervisor([worker])
    supervisor.start(worker)
    assert worker.join(10)
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
    supervisor.stop([worker], timeout_s=5)
    assert time.monotonic() - began < 1
    assert worker.tear_downs == 1
    assert not worker.alive


def test_a_worker_that_hangs_is_named_and_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    class Hanging(Counter):
        def step(self) -> bool:
            release.wait(10)
            return False

    worker = Hanging()
    supervisor = Supervisor([worker])
    supervisor.start(worker)
    time.sleep(0.1)
    assert supervisor.silent(0.05) == ["counter"]
    assert supervisor.silent(5) == []
    supervisor.stop([worker], timeout_s=0.05)
    release.set()
    assert "worker-hangs worker=counter after_s=0.05" in caplog.messages
