"""Logs for the person at the line: one line an event, `event key=value key="two words"`, to stderr."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

PLAIN = re.compile(r"[^\s=\"]+")


def event(name: str, **values: object) -> str:
    """One log line. Values with blanks or quotes are quoted; None and "" are left out."""
    shown = (f"{key}={_shown(value)}" for key, value in values.items() if value is not None and value != "")
    return " ".join((name, *shown))


def to_stderr(level: int = logging.INFO) -> None:
    """Send the log of this process to stderr, with local time and level."""
    _send(logging.StreamHandler(sys.stderr), level)


def to_file(path: Path, level: int = logging.INFO) -> None:
    """Send the log of this process to a new file instead, the same way. Raises OSError."""
    _send(logging.FileHandler(path, mode="w", encoding="utf-8"), level)


def _send(handler: logging.Handler, level: int) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _shown(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
