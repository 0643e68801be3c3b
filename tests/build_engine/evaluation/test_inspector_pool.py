"""The pool gives outcomes in order, and says what went wrong in another process as if it were in this one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from build_engine.evaluation.inspector_pool import inspect_each
from edge_agent.errors import EngineError, ImageError
from edge_agent.inspection.inspector import Inspector
from tests.support.models import write_difference_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_difference_model(tmp_path_factory.mktemp("model") / "model.onnx", height=64, width=64)


def slow_first(inspector: Inspector, number: int) -> tuple[int, str]:
    time.sleep(0.3 if number == 0 else 0.0)
    return number, inspector.engine.info.network


def fail(inspector: Inspector, number: int) -> int:
    raise ImageError("is broken", where=f"{number}.png", mend="check the file")


def die(inspector: Inspector, number: int) -> int:
    os._exit(1)


def test_outcomes_come_in_the_order_of_the_items_whichever_is_ready_first(model) -> None:
    assert list(inspect_each(slow_first, range(5), model=model, jobs=2)) == [(n, "difference") for n in range(5)]


def test_nothing_to_do_is_done(model) -> None:
    assert list(inspect_each(slow_first, [], model=model, jobs=2)) == []


def test_an_expected_failure_in_a_process_keeps_its_place_and_its_mend(model) -> None:
    with pytest.raises(ImageError, match=r"^0\.png: is broken; check the file$"):
        list(inspect_each(fail, range(3), model=model, jobs=1))


def test_a_process_that_dies_is_an_engine_error_that_says_what_to_do(model) -> None:
    with pytest.raises(EngineError, match=r"died; .*--jobs"):
        list(inspect_each(die, range(3), model=model, jobs=1))
