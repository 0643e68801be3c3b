"""Agents without the second that Python takes to import: each is forked from a process that has done so already.

Nothing but modules is shared: configuration, engine, outbox, threads and connections are made after the fork, as in
any agent.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

GONE_S = 30.0  # for a killed process to be gone


class Nursery:
    """Starts `edge-agent run CONFIG`, again and again. Use it in a `with` block."""

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.soak.forking"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(GONE_S)

    def start(self, config: Path) -> Agent:
        """A new agent; its log goes beside its configuration."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{config}\n")
        self._process.stdin.flush()
        return Agent(int(self._process.stdout.readline()))


class Agent:
    """One of them; killed at the end of a `with` block."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGKILL)

    @property
    def runs(self) -> bool:
        """Whether it is there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self, number: int) -> None:
        """Send this signal, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        end = time.monotonic() + GONE_S
        while self.runs:
            if time.monotonic() > end:
                raise RuntimeError(f"process {self.pid} is still there {GONE_S:g} s after signal {number}")
            time.sleep(0.005)
