"""Every accepted trigger leaves with exactly one outcome, in the order of acceptance."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import numpy as np

from edge_agent.cameras.camera import Frame
from edge_agent.inspection.inspection import Reason
from edge_agent.triggers import Trigger, TriggerQueue


def _frame(number: int = 0) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), datetime.now(timezone.utc), time.monotonic_ns(), number)


def test_triggers_are_taken_in_order_even_if_their_frames_are_not() -> None:
    triggers = TriggerQueue(limit=3, deadline_s=10)
    first, second = Trigger("command", "a"), Trigger("command", "b")
    assert triggers.accept(first) is None
    assert triggers.accept(second) is None
    assert triggers.without_picture(0) == [first, second]
    triggers.give(second, _frame())
    assert triggers.take(0.01) is None
    frame = _frame()
    triggers.give(first, frame)
    assert triggers.take(0) == (first, frame)
    taken = triggers.take(0)
    assert taken
    assert taken[0] is second


def test_a_full_queue_refuses_and_a_settled_result_makes_room() -> None:
    triggers = TriggerQueue(limit=1, deadline_s=10)
    assert triggers.accept(Trigger("command", "a"), _frame()) is None
    refused = triggers.accept(Trigger("command", "b"))
    assert refused
    assert refused.code == "busy"
    assert triggers.take(0)
    assert triggers.accept(Trigger("command", "b")) is not None, "taken is not settled"
    triggers.settle()
    assert triggers.accept(Trigger("command", "b")) is None


def test_without_a_frame_in_the_deadline_the_outcome_says_so_and_a_late_frame_changes_nothing() -> None:
    triggers = TriggerQueue(limit=2, deadline_s=0.05)
    trigger = Trigger("command", "a")
    triggers.accept(trigger)
    assert triggers.take(1) == (trigger, Reason("no-frame", "no frame came within 0.05 s"))
    triggers.give(trigger, _frame())
    assert triggers.take(0.01) is None


def test_a_known_reason_for_the_missing_frame_is_told() -> None:
    triggers = TriggerQueue(limit=2, deadline_s=0.01)
    triggers.explain(Reason("camera-lost", "unplugged"))
    triggers.accept(Trigger("command", "a"))
    taken = triggers.take(1)
    assert taken
    assert taken[1] == Reason("camera-lost", "unplugged")


def test_free_run_keeps_the_newest_frame_and_one_result_for_it() -> None:
    triggers = TriggerQueue(limit=2, deadline_s=1)
    assert not triggers.accept_newest(Trigger("free-run"), _frame(0))
    assert triggers.accept_newest(Trigger("free-run"), _frame(1))
    taken = triggers.take(0)
    assert taken
    assert isinstance(taken[1], Frame)
    assert taken[1].number == 1
    assert triggers.take(0) is None


def test_closing_answers_what_waits_for_a_frame_and_refuses_the_rest() -> None:
    triggers = TriggerQueue(limit=5, deadline_s=10)
    with_frame, without = Trigger("command", "a"), Trigger("command", "b")
    triggers.accept(with_frame, _frame())
    triggers.accept(without)
    stopped = Reason("stopped", "the agent was stopped")
    triggers.close(stopped)
    triggers.refuse(None)
    assert triggers.accept(Trigger("command", "c")) == stopped
    assert not triggers.drained
    first, second = triggers.take(0), triggers.take(0)
    assert first
    assert isinstance(first[1], Frame)
    assert second == (without, stopped)
    assert triggers.drained


def test_many_threads_get_each_trigger_exactly_once() -> None:
    triggers = TriggerQueue(limit=8, deadline_s=10)
    accepted: list[str] = []

    def trigger_from(name: str) -> None:
        for number in range(50):
            trigger = Trigger("command", f"{name}{number}")
            while triggers.accept(trigger):
                triggers.wait_for_room(0.1)
            accepted.append(trigger.id)

    def capture() -> None:
        while len(taken) < 200:
            for trigger in triggers.without_picture(0.1):
                triggers.give(trigger, _frame())

    taken: list[str] = []
    threads = [threading.Thread(target=trigger_from, args=(name,), daemon=True) for name in "abcd"]
    threads.append(threading.Thread(target=capture, daemon=True))
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while len(taken) < 200 and time.monotonic() < end:
        if item := triggers.take(0.1):
            taken.append(item[0].id)
            triggers.settle()
    assert sorted(taken) == sorted(accepted)
    assert triggers.outstanding == 0
