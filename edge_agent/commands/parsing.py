"""Payloads of commands: what is taken, and what is said to everything else. Pure: bytes in, values out."""

from __future__ import annotations

import json
import math
from typing import Any

from edge_agent.errors import CommandError

MAX_PAYLOAD_BYTES = 4096
MAX_LEVELS = 8  # no command takes more than one; what cannot be written again cannot stand in the audit log
MAX_WHOLE_NUMBER = 2**53  # as far as every JSON implementation counts exactly


def parse_payload(payload: bytes, *, retained: bool) -> dict[str, Any]:
    """The JSON object of a command; nothing at all is an empty one.

    Raises:
        CommandError: with a reason for the sender. A retained command is one: the broker would repeat it at every
            connection, and a part would be inspected that left hours ago.
    """
    if retained:
        raise CommandError("retained commands are refused; publish it without the retain flag", code="retained")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise CommandError(
            f"the payload must be at most {MAX_PAYLOAD_BYTES} bytes long, but is {len(payload)}", code="too-large"
        )
    if not payload:
        return {}
    try:
        arguments = json.loads(
            payload.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite
        )
    except (ValueError, RecursionError) as error:  # a few kB of "[" exhaust the parser's stack
        raise CommandError(f"the payload must be JSON in UTF-8 ({error})") from error
    if not isinstance(arguments, dict):
        raise CommandError(f"the payload must be a JSON object, but is {_json_type(arguments)}")
    if _is_deep(arguments, MAX_LEVELS):
        raise CommandError(f"the payload must have at most {MAX_LEVELS} levels")
    return arguments


def _finite(number: str) -> float:
    """Python's reader takes NaN and 1e999, which nobody can be told again in JSON."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:20]} is no number in JSON")
    return value


def _is_deep(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deep(part, levels - 1) for part in inner)


def only(arguments: dict[str, Any], *known: str) -> None:
    """Refuse keys that the command does not know: a misspelt one must not be passed over in silence."""
    unknown = sorted(arguments.keys() - set(known))
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise CommandError(f"unknown keys: {', '.join(map(ascii, unknown))}; {takes}")


def text(arguments: dict[str, Any], key: str, most: int) -> str:
    """A text of 1 to `most` printable characters that must be given."""
    if key not in arguments:
        raise CommandError(f"{key} is missing")
    value = arguments[key]
    if not isinstance(value, str):
        raise CommandError(f"{key} must be text, but is {_json_type(value)}")
    if not 1 <= len(value) <= most:
        raise CommandError(f"{key} must be 1 to {most} characters long, but is {len(value)}")
    if not value.isprintable():
        raise CommandError(f"{key} must hold printable characters only")
    return value


def optional_text(arguments: dict[str, Any], key: str, most: int) -> str | None:
    """The same, or None where the key is missing or null."""
    return None if arguments.get(key) is None else text(arguments, key, most)


def whole_number(arguments: dict[str, Any], key: str, least: int) -> int:
    """A whole number of at least `least` that must be given."""
    if key not in arguments:
        raise CommandError(f"{key} is missing")
    value = arguments[key]
    if type(value) is not int:
        raise CommandError(f"{key} must be a whole number, but is {_json_type(value)}")
    if not least <= value <= MAX_WHOLE_NUMBER:
        raise CommandError(f"{key} must be {least} to {MAX_WHOLE_NUMBER}")
    return value


def optional_number(arguments: dict[str, Any], key: str, above: float, to: float) -> float | None:
    """A number above `above` and at most `to`, or None where the key is missing or null."""
    value = arguments.get(key)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise CommandError(f"{key} must be a number, but is {_json_type(value)}")
    if not math.isfinite(value) or not above < value <= to:
        raise CommandError(f"{key} must be above {above:g} and at most {to:g}")
    return float(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key stands twice")
    return unique


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
