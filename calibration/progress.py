"""How far it is, for a terminal and for a log file alike."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

QUIET_S = 20.0  # in a log file one line so often is enough


class Progress:
    """Lines that stay, and one line that is written over as long as nothing else is printed.

    Where the output is no terminal (nohup, a pipe), the passing line is printed every 20 s as a line of its own.
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        self._terminal = self._output.isatty()
        self._passing = False
        self._next = 0.0

    def line(self, text: str = "") -> None:
        """A line that stays."""
        self._clear()
        print(text, file=self._output, flush=True)

    def passing(self, text: str) -> None:
        """Written over by whatever comes next."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 3  # a line that wraps could not be written over
            shown = text if len(text) <= width else f"{text[: width - 1]}…"
            print(f"\r\x1b[K  {shown}", end="", file=self._output, flush=True)
            self._passing = True
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + QUIET_S
            print(f"  {text}", file=self._output, flush=True)

    def _clear(self) -> None:
        if self._passing:
            print("\r\x1b[K", end="", file=self._output)
            self._passing = False
