"""Who asked what, when, and what came of it: on disk, bounded, and published."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from edge_agent.log import event

log = logging.getLogger(__name__)

MAX_SHOWN = 200  # characters of a payload that could not be parsed


class AuditLog:
    """One JSON object a line in a file, which is renamed to `<name>.1` at half the limit; the one before that goes.

    The standard library's rotating handler does it: opened at the first line, flushed at each.

    Args:
        limit: bytes that both files take together.
        publish: gets every entry too.
        clock_synced: stands in each entry, since its time is worth no more.
    """

    def __init__(
        self,
        path: Path,
        limit: int,
        publish: Callable[[dict[str, Any]], None],
        clock_synced: Callable[[], bool],
    ) -> None:
        self._handler = _Handler(path, maxBytes=max(limit // 2, 1), backupCount=1, encoding="utf-8", delay=True)
        self._publish, self._clock_synced = publish, clock_synced

    def write(self, command: str, asked: object, sender: dict[str, Any], answer: dict[str, Any]) -> None:
        """Note one command. A disk that cannot take it is said in the log, and the command has its answer all the same.

        Args:
            asked: the arguments, or the payload where it could not be parsed.
            sender: what MQTT tells of who it was.
        """
        entry = {
            "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "clock_synced": self._clock_synced(),
            "command": command[:MAX_SHOWN],
            "asked": asked.decode("utf-8", "replace")[:MAX_SHOWN] if isinstance(asked, bytes) else asked,
            "sender": sender,
            "outcome": "accepted" if answer["accepted"] else "refused",
            "answer": {key: value for key, value in answer.items() if key not in {"command", "accepted"}},
        }
        line = json.dumps(entry, separators=(",", ":"))  # ASCII: whatever the sender wrote stays one line
        self._handler.emit(logging.makeLogRecord({"msg": "%s", "args": (line,)}))
        self._publish(entry)

    def close(self) -> None:
        """Release the file."""
        with suppress(OSError):  # a full disk: said when the line was written
            self._handler.close()


class _Handler(RotatingFileHandler):
    """Says a failure once, in one line, until it works again."""

    _failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.shouldRollover(record):
                self.doRollover()
            if self.stream is None:
                self.stream = self._open()
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
            self._failed = False
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - the name is the library's
        if not self._failed:
            log.error(event("audit-not-written", path=self.baseFilename, why=sys.exc_info()[1]))
        self._failed = True
