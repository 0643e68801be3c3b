"""What waits for the broker beside results stays small, whatever those who command ask for."""

from __future__ import annotations

import logging

import pytest

from edge_agent.mqtt.complaints import MAX_REMEMBERED, Complaints
from edge_agent.mqtt.outgoing import MAX_QUEUED, MAX_QUEUED_BYTES, Message, Outgoing, publish_properties


def fill(outgoing: Outgoing, message: Message, share: float = 1.0) -> int:
    """How many of these are taken."""
    for taken in range(MAX_QUEUED + 1):
        if not outgoing.queue(message, share):
            return taken
    raise AssertionError("everything is taken")


def test_pictures_leave_room_for_replies() -> None:
    outgoing = Outgoing()
    picture, reply = Message("a/snapshot", bytes(1_000_000)), Message("a/reply/inspect", "{}")
    assert 1 <= fill(outgoing, picture, share=0.5) * 1_000_000 <= MAX_QUEUED_BYTES / 2
    assert fill(outgoing, reply) > MAX_QUEUED / 2


def test_replies_count_with_what_their_sender_wants_back() -> None:
    properties = publish_properties(CorrelationData=bytes(60_000))
    taken = fill(Outgoing(), Message("a/reply/inspect", "{}", properties=properties))
    assert taken * 60_000 <= MAX_QUEUED_BYTES


def test_what_was_taken_makes_room_and_one_alone_always_has_it() -> None:
    outgoing, large = Outgoing(), Message("a/snapshot", bytes(2 * MAX_QUEUED_BYTES))
    for _ in range(3):
        assert outgoing.queue(large)
        assert not outgoing.queue(Message("a/reply/inspect", "{}"))
        assert outgoing.take() is large


def test_the_log_is_not_filled_by_topics_that_others_choose(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints()
    with caplog.at_level(logging.WARNING):
        for number in range(3 * MAX_REMEMBERED):
            complaints.warn(f"refused {number}", f"line {number}")
    assert len(caplog.records) == MAX_REMEMBERED
