"""What was done, a line each: for the person at the screen, and for the record of the unit."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field


@dataclass
class Report:
    """Collects and prints lines.

    Attributes:
        dry_run: nothing is changed; what would be is said.
        lines: all that was said.
    """

    dry_run: bool = False
    lines: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return any(line.startswith("do ") for line in self.lines)

    def changes(self, subject: str, what: str) -> bool:
        """Say that something is (dry run: would be) changed; whether to do it."""
        self._say("would" if self.dry_run else "do", subject, what)
        return not self.dry_run

    def unchanged(self, subject: str, what: str) -> None:
        """Say that something is as it should be."""
        self._say("is", subject, what)

    def note(self, subject: str, what: str) -> None:
        """Say something that the reader should know."""
        self._say("note", subject, what)

    def broken(self, subject: str, what: str) -> None:
        """Say that something is wrong."""
        self._say("BROKEN", subject, what)

    def _say(self, state: str, subject: str, what: str) -> None:
        for number, line in enumerate(what.splitlines() or [""]):
            text = f"{state:<7} {subject if not number else '':<10} {line}".rstrip()
            self.lines.append(text)
            print(text, flush=True, file=sys.stdout)
