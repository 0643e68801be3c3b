import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.commands.command import Request
from edge_agent.commands.inspect import Inspect
from edge_agent.commands.parsing import parse_payload
from edge_agent.errors import CommandError
from edge_agent.pipeline.triggers import TriggerQueue


def inspect(payload: bytes) -> dict[str, object]:
    """What the trigger's command takes from these bytes."""
    command = Inspect(TriggerQueue(1, 10), self_triggered=False, clock_synced=lambda: True)
    arguments = parse_payload(payload, retained=False)
    command.obey(Request(arguments))
    return arguments


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "part_id is missing"),
        (b"\xff\xfe", "must be JSON"),
        (b"[" * 4000, "must be JSON"),
        (b"[]", "object, but is an array"),
        (b"null", "object, but is null"),
        (b"{}", "part_id is missing"),
        (b'{"part_id": 7}', "text, but is a number"),
        (b'{"part_id": null}', "text, but is null"),
        (b'{"part_id": ""}', "1 to 128 characters"),
        (b'{"part_id": "%s"}' % (b"x" * 129), "1 to 128 characters"),
        (b'{"part_id": "a\\u0000b"}', "printable"),
        (b'{"part_id": "a\\nb"}', "printable"),
        (b'{"part_id": "\\ud800"}', "printable"),
        (b'{"part_id": "a", "part_id": "b"}', "stands twice"),
        (b'{"part_id": "a", "recipe": "x"}', "unknown keys: 'recipe'"),
        (b'{"part_id": "a", "trigger_id": 7}', "trigger_id must be text"),
        (b'{"part_id": "a", "trigger_id": ""}', "1 to 64 characters"),
        (b'{"part_id": "a", "expires_at": "tomorrow"}', "must be a time"),
        (b'{"part_id": "a", "expires_at": "2026-11-22T17:30:00"}', "offset from UTC"),
        (b'{"part_id": "%s"}' % (b"x" * 5000), "at most 4096 bytes"),
    ],
)
def test_a_bad_command_is_refused_with_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        inspect(payload)


def test_a_retained_command_is_refused() -> None:
    with pytest.raises(CommandError, match="retained"):
        parse_payload(b'{"part_id": "a"}', retained=True)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=128))
def test_every_printable_part_id_comes_through_unchanged(part_id: str) -> None:
    assert inspect(json.dumps({"part_id": part_id}).encode()) == {"part_id": part_id}


@given(st.binary(max_size=5000))
def test_no_bytes_do_more_than_being_refused(payload: bytes) -> None:
    try:
        arguments = inspect(payload)
    except CommandError:
        return
    assert set(arguments) <= {"part_id", "trigger_id", "expires_at"}


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("part_id"), inner),
)


@given(json_values)
def test_json_of_any_shape_is_accepted_only_as_a_printable_part_id(value: object) -> None:
    try:
        arguments = inspect(json.dumps(value).encode())
    except CommandError:
        return
    assert arguments == value
    assert str(arguments["part_id"]).isprintable()
