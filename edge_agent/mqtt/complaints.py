"""What the log says of the broker: each trouble once, however often it comes."""

from __future__ import annotations

import logging

from edge_agent.errors import MatecheckError

log = logging.getLogger(__name__)


class Complaints:
    """Warns once until the next connection: a broker that is away for a weekend is one line, not thousands."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def forget(self) -> None:
        """A new connection: what goes wrong from now on is news."""
        self._said.clear()

    def warn(self, what: str, line: str) -> None:
        """Log `line`, unless `what` was said already."""
        log.log(logging.DEBUG if what in self._said else logging.WARNING, "%s", line)
        self._said.add(what)

    def error(self, error: MatecheckError, pause_s: float) -> None:
        """An expected failure, and when it is tried again."""
        self.warn(error.what, f"mqtt {error} retry_s={pause_s:.1f}")
