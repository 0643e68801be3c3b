"""What the log says of the broker: each trouble once, however often it comes."""

from __future__ import annotations

import logging

from edge_agent.errors import MatecheckError

log = logging.getLogger(__name__)

MAX_REMEMBERED = 500  # whoever commands chooses topics of replies: what is said of them must not fill memory and log


class Complaints:
    """Warns once until the next connection: a broker that is away for a weekend is one line, not thousands."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def forget(self) -> None:
        """A new connection: what goes wrong from now on is news."""
        self._said.clear()

    def warn(self, what: str, line: str) -> None:
        """Log `line`, unless `what` was said already, or too much was."""
        if what in self._said or len(self._said) >= MAX_REMEMBERED:
            log.debug("%s", line)
            return
        self._said.add(what)
        log.warning("%s", line)

    def error(self, error: MatecheckError, pause_s: float) -> None:
        """An expected failure, and when it is tried again."""
        self.warn(error.what, f"mqtt {error} retry_s={pause_s:.1f}")
