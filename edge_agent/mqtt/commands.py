"""Commands that arrive over MQTT: what is accepted, and what is said to everything else. Pure: bytes in, values out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from edge_agent.errors import CommandError

MAX_PAYLOAD_BYTES = 4096
MAX_PART_ID_CHARACTERS = 128


def parse_command(name: str, payload: bytes, *, retained: bool) -> dict[str, Any]:
    """The checked arguments of a command.

    `inspect` takes {"part_id": text of 1 to 128 printable characters}.

    Raises:
        CommandError: with a reason for the sender. A retained command is one: the broker would repeat it at every
            connection, and a part would be inspected that left hours ago.
    """
    if name not in _CHECKS:
        raise CommandError(f"there is no such command; known: {', '.join(sorted(_CHECKS))}")
    if retained:
        raise CommandError("retained commands are refused; publish it without the retain flag")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise CommandError(f"the payload must be at most {MAX_PAYLOAD_BYTES} bytes long, but is {len(payload)}")
    return _CHECKS[name](_json_object(payload))


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        arguments = json.loads(payload.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # a few kB of "[" exhaust the parser's stack
        raise CommandError(f"the payload must be JSON in UTF-8 ({error})") from error
    if not isinstance(arguments, dict):
        raise CommandError(f"the payload must be a JSON object, but is {_json_type(arguments)}")
    return arguments


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key stands twice")
    return unique


def _inspect(arguments: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(arguments.keys() - {"part_id"})
    if unknown:
        raise CommandError(f"unknown keys: {', '.join(map(ascii, unknown))}; inspect takes part_id alone")
    if "part_id" not in arguments:
        raise CommandError("part_id is missing")
    part_id = arguments["part_id"]
    if not isinstance(part_id, str):
        raise CommandError(f"part_id must be text, but is {_json_type(part_id)}")
    if not 1 <= len(part_id) <= MAX_PART_ID_CHARACTERS:
        raise CommandError(f"part_id must be 1 to {MAX_PART_ID_CHARACTERS} characters long, but is {len(part_id)}")
    if not part_id.isprintable():
        raise CommandError("part_id must hold printable characters only")
    return arguments


_CHECKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"inspect": _inspect}


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
