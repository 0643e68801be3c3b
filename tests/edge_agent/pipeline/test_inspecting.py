"""What cannot be inspected is ERROR, never OK; and the next part is inspected again."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.cameras.camera import Frame
from edge_agent.engines import Engine, load_engine
from edge_agent.engines.engine import ScoreMaps, Tiles
from edge_agent.engines.source import EngineSource
from edge_agent.errors import EngineError, ModelError
from edge_agent.inspection.inspection import Reason, Verdict
from edge_agent.pipeline.concluding import Concluding, Inspected
from edge_agent.pipeline.inspecting import Inspecting, SeenPart
from edge_agent.pipeline.registering import RegisteredQueue, Registering
from edge_agent.pipeline.triggers import Picture, Trigger, TriggerQueue
from tests.support.agent import MADE_UP, picture
from tests.support.models import write_difference_model


class FailingEngine(Engine):
    """A real engine that raises what the test has put into `errors`, one an inference."""

    def __init__(self, real: Engine, errors: list[Exception]) -> None:
        self.info, self.backend = real.info, real.backend
        self._real, self._errors = real, errors

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        if self._errors:
            raise self._errors.pop(0)
        return self._real.infer(test, template)

    def close(self) -> None:
        self._real.close()


class GivenEngines(EngineSource):
    """Gives what a function of the test makes."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        super().__init__()
        self._make = make

    def load(self) -> Engine:
        return self._make()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_difference_model(tmp_path / "difference.onnx", height=256, width=320)


def _frame(number: int, image: NDArray[np.uint8]) -> Frame:
    return Frame(image, datetime.now(timezone.utc), time.monotonic_ns(), number)


def _inspect(
    load: Callable[[], Engine], images: Sequence[NDArray[np.uint8] | Picture], live: bool = False
) -> list[Inspected]:
    triggers, registered = TriggerQueue(limit=100, deadline_s=60), RegisteredQueue()
    seen: queue.SimpleQueue[SeenPart | None] = queue.SimpleQueue()
    inspected: queue.SimpleQueue[Inspected | None] = queue.SimpleQueue()
    inspecting = Inspecting(GivenEngines(load), registered, seen)
    registering = Registering(SimpleNamespace(current=MADE_UP), triggers, registered, lambda: inspecting.model, live)
    workers = (registering, inspecting, Concluding(seen, inspected))
    for number, image in enumerate(images):
        arrived = _frame(number, image) if isinstance(image, np.ndarray) else image
        triggers.accept(Trigger("command", str(number)), arrived)
    triggers.close(Reason("stopped", "the end"))
    for worker in workers:
        worker.start()
    for worker in workers:
        assert worker.join(60)
        assert worker.done
    out = [inspected.get() for _ in range(inspected.qsize())]
    assert out.pop() is None
    return [item for item in out if item]


def _codes(items: list[Inspected]) -> list[str]:
    return [
        item.inspection.verdict.value if not item.inspection.reasons else item.inspection.reasons[0].code
        for item in items
    ]


@pytest.mark.parametrize("error", [EngineError("out of memory"), ValueError("a bug")])
def test_an_engine_that_fails_makes_one_error_and_is_loaded_again(model: Path, error: Exception) -> None:
    errors, loaded = [error], []

    def load() -> Engine:
        loaded.append(1)
        return FailingEngine(load_engine(model, threads=1), errors)

    items = _inspect(load, [picture(1), picture(2), picture(3, sliver=True)])
    assert _codes(items) == ["engine", "OK", "component"]
    assert items[0].inspection.verdict is Verdict.ERROR
    assert len(loaded) == 2


def test_while_the_engine_cannot_be_loaded_each_part_is_an_error(model: Path) -> None:
    calls: list[int] = []

    def load() -> Engine:
        calls.append(1)
        if len(calls) in {2, 3}:
            raise ModelError("gone", where="model.onnx")
        return FailingEngine(load_engine(model, threads=1), [EngineError("lost")] if len(calls) == 1 else [])

    items = _inspect(load, [picture(number) for number in range(4)])
    assert _codes(items) == ["engine", "engine", "engine", "OK"]
    assert items[1].inspection.reasons[0].text == "model.onnx: gone"


def test_a_part_without_a_frame_is_an_error_with_its_reason(model: Path) -> None:
    (item,) = _inspect(lambda: load_engine(model, threads=1), [Reason("camera-lost", "unplugged")])
    assert item.frame is None
    assert item.inspection.verdict is Verdict.ERROR
    assert item.inspection.reasons == (Reason("camera-lost", "unplugged"),)


def test_a_part_that_crashes_the_registration_is_an_error(model: Path) -> None:
    images = [np.zeros((300, 400), np.uint8), picture(1)]
    frames = [Frame(image, datetime.now(timezone.utc), time.monotonic_ns(), n) for n, image in enumerate(images)]
    crashing = replace(frames[0], image=None)  # type: ignore[arg-type]
    assert _codes(_inspect(lambda: load_engine(model, threads=1), [crashing, *frames])) == [
        "internal",
        "wrong-format",
        "OK",
    ]


def test_a_live_camera_that_repeats_its_frame_is_frozen(model: Path) -> None:
    same = picture(1)
    items = _inspect(lambda: load_engine(model, threads=1), [same, same, picture(2)], live=True)
    assert _codes(items) == ["OK", "frozen", "OK"]


def test_a_folder_may_hold_the_same_picture_twice(model: Path) -> None:
    same = picture(1)
    assert _codes(_inspect(lambda: load_engine(model, threads=1), [same, same])) == ["OK", "OK"]


def test_a_wrong_model_at_the_start_fails_the_worker(tmp_path: Path) -> None:
    worker = Inspecting(EngineSource(tmp_path / "none.onnx"), RegisteredQueue(), queue.SimpleQueue())
    worker.start()
    assert worker.join(60)
    assert isinstance(worker.failure, ModelError)
    assert not worker.ready.is_set()
