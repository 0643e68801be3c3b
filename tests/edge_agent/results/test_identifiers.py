"""Identifiers are UUIDv7, unique, and in order whatever the clock does."""

from __future__ import annotations

import threading
import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.results.identifiers import Identifiers, uuid7

TIMES = st.integers(min_value=0, max_value=(1 << 48) - 2)


def _unix_ms(identifier: str) -> int:
    return uuid.UUID(identifier).int >> 80


@given(TIMES)
def test_an_identifier_is_a_uuid_of_version_7_that_begins_with_its_time(unix_ms: int) -> None:
    parsed = uuid.UUID(Identifiers(lambda: unix_ms).new())
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122
    assert unix_ms <= parsed.int >> 80 <= unix_ms + 1


@given(st.lists(TIMES, min_size=2, max_size=50))
def test_they_are_in_order_whatever_the_clock_does(times: list[int]) -> None:
    clock = iter(times)
    identifiers = Identifiers(lambda: next(clock))
    made = [identifiers.new() for _ in times]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_goes_on_is_followed_again() -> None:
    now = [2_000]
    identifiers = Identifiers(lambda: now[0])
    times = []
    for now[0] in (2_000, 1_000, 1_500, 2_001):
        times.append(_unix_ms(identifiers.new()))
    assert times == [2_000, 2_000, 2_000, 2_001]


@given(TIMES, TIMES)
def test_those_of_an_earlier_run_are_not_passed_by(earlier_ms: int, now_ms: int) -> None:
    earlier = Identifiers(lambda: earlier_ms).new()
    identifiers = Identifiers(lambda: now_ms)
    identifiers.not_before(earlier)
    assert identifiers.new() > earlier


def test_threads_never_get_the_same_one() -> None:
    made: list[str] = []
    identifiers = Identifiers(lambda: 0)
    threads = [threading.Thread(target=lambda: made.extend(identifiers.new() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2000


def test_they_are_stamped_with_the_clock() -> None:
    assert abs(_unix_ms(uuid7()) / 1000 - time.time()) < 5
