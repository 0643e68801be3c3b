import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import CommandError
from edge_agent.mqtt.commands import parse_command


def inspect(payload: bytes) -> dict[str, object]:
    return parse_command("inspect", payload, retained=False)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "must be JSON"),
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
        (b'{"part_id": "%s"}' % (b"x" * 5000), "at most 4096 bytes"),
    ],
)
def test_a_bad_command_is_refused_with_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        inspect(payload)


def test_an_unknown_command_is_told_which_there_are() -> None:
    with pytest.raises(CommandError, match="known: inspect"):
        parse_command("reboot", b"{}", retained=False)


def test_a_retained_command_is_refused() -> None:
    with pytest.raises(CommandError, match="retained"):
        parse_command("inspect", b'{"part_id": "a"}', retained=True)


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=128))
def test_every_printable_part_id_comes_through_unchanged(part_id: str) -> None:
    assert inspect(json.dumps({"part_id": part_id}).encode()) == {"part_id": part_id}


@given(st.binary(max_size=5000))
def test_no_bytes_do_more_than_being_refused(payload: bytes) -> None:
    try:
        arguments = inspect(payload)
    except CommandError:
        return
    assert set(arguments) == {"part_id"}


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
