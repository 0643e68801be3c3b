"""Every accepted trigger leaves with exactly one outcome, in the order of acceptance."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import numpy as np
import pytest

from edge_agent.cameras.camera import Frame
from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Reason
from edge_agent.pipeline.triggers import Trigger, TriggerQueue


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
    taken = triggers.take(0)
    assert taken
    assert triggers.accept(Trigger("command", "b")) is not None, "taken is not settled"
    triggers.settle(taken[0])
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


def test_free_run_drops_no_error_for_a_newer_frame() -> None:
    triggers = TriggerQueue(limit=4, deadline_s=1)
    lost = Trigger("free-run")
    triggers.accept(lost, Reason("camera-lost", "it is gone"))
    assert not triggers.accept_newest(Trigger("free-run"), _frame(0))
    assert triggers.accept_newest(Trigger("free-run"), _frame(1))
    assert triggers.take(0) == (lost, Reason("camera-lost", "it is gone"))
    taken = triggers.take(0)
    assert taken
    assert isinstance(taken[1], Frame)
    assert taken[1].number == 1


def test_closing_answers_what_waits_for_a_frame_and_refuses_the_rest() -> None:
    triggers = TriggerQueue(limit=5, deadline_s=10)
    with_frame, without = Trigger("command", "a"), Trigger("command", "b")
    triggers.accept(with_frame, _frame())
    triggers.accept(without)
    stopped = Reason("stopped", "the agent was stopped")
    triggers.close(stopped)
    triggers.refuse(None, "paused")
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
    end = time.monotonic() + 60
    while len(taken) < 200 and time.monotonic() < end:
        if item := triggers.take(0.1):
            taken.append(item[0].id)
            triggers.settle(item[0])
    assert sorted(taken) == sorted(accepted)
    assert triggers.outstanding == 0


def test_with_one_camera_for_all_an_overlapping_trigger_is_refused_until_the_picture_is_there() -> None:
    triggers = TriggerQueue(limit=5, deadline_s=10, alone=True)
    first = Trigger("command", "a")
    assert triggers.accept(first) is None
    refused = triggers.accept(Trigger("command", "b"))
    assert refused
    assert (refused.code, "part a" in refused.text) == ("overlap", True)
    triggers.give(first, _frame())
    assert triggers.accept(Trigger("command", "b")) is None


def test_a_promise_is_in_the_journal_before_it_is_accepted_and_refused_without_room_there() -> None:
    journal: list[Trigger] = []

    def write(trigger: Trigger) -> None:
        if trigger.part_id == "full":
            raise StorageError("the disk is full")
        assert triggers.without_picture(0) == []
        journal.append(trigger)

    triggers = TriggerQueue(limit=1, deadline_s=10, journal=write)
    refused = triggers.accept(Trigger("command", "full"))
    assert refused
    assert refused.code == "storage"
    trigger = Trigger("command", "a")
    assert triggers.accept(trigger) is None
    assert journal == triggers.without_picture(0) == [trigger]
    assert triggers.accept(Trigger("command", "b")) is not None
    assert len(journal) == 1, "what is refused is not promised"


def test_a_free_run_trigger_is_no_promise() -> None:
    triggers = TriggerQueue(limit=1, deadline_s=10, journal=lambda trigger: pytest.fail("nobody was told"))
    assert triggers.accept(Trigger("free-run"), _frame()) is None


def test_a_part_whose_turn_does_not_come_in_time_is_an_error_even_with_a_picture() -> None:
    triggers = TriggerQueue(limit=2, deadline_s=0.05)
    triggers.accept(Trigger("command", "a"), _frame())
    time.sleep(0.06)
    taken = triggers.take(0)
    assert taken
    assert taken[1] == Reason("deadline", "its turn did not come within 0.05 s")


def test_an_overdue_part_is_named_once_and_its_place_is_free_when_it_is_settled() -> None:
    triggers = TriggerQueue(limit=1, deadline_s=10)
    trigger = Trigger("command", "a", within_s=0.5)
    triggers.accept(trigger, _frame())
    assert triggers.take(0)
    assert triggers.overdue() == []
    time.sleep(0.51)
    assert triggers.overdue() == [(trigger, Reason("deadline", "not inspected within 0.5 s"))]
    assert triggers.overdue() == []
    triggers.settle(trigger)
    triggers.settle(trigger)
    assert triggers.outstanding == 0
    assert triggers.why_not_ready is None


def test_each_source_lifts_its_own_refusal_alone() -> None:
    triggers = TriggerQueue(limit=1, deadline_s=10)
    triggers.refuse(Reason("paused", "by a command"), "paused")
    triggers.refuse(None, "storage")
    assert triggers.why_not_ready == Reason("paused", "by a command")
    triggers.refuse(None, "paused")
    assert triggers.why_not_ready is None


def test_the_next_picture_is_wanted_as_soon_as_one_is_taken() -> None:
    triggers = TriggerQueue(limit=4, deadline_s=10)
    assert triggers.accept(Trigger("free-run"), _frame()) is None
    capture = threading.Thread(target=triggers.wait_for_room, args=(60,))
    capture.start()
    capture.join(0.2)
    assert capture.is_alive()
    assert triggers.take(0)
    capture.join(10)
    assert not capture.is_alive()
