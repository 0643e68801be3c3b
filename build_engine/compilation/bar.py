"""How far TensorRT's build is, as one bar; as a line for each tenth where nobody watches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from build_engine.compilation.told import Told

STEPS = 10  # lines, where there is no terminal


class Fraction:
    """The share of the build that is done, from TensorRT's phases, each of which may have phases inside its steps."""

    def __init__(self) -> None:
        self._phases: dict[str, tuple[str, int, int]] = {}
        self._share = 0.0
        self._lock = threading.Lock()

    def add(self, phase: str, parent: str, done: int, steps: int) -> float:
        """Take in one message; 0 to 1, never less than before: inner phases come and go."""
        with self._lock:
            self._phases[phase] = (parent, done, steps)
            outer = [name for name, (above, *_) in self._phases.items() if not above]
            self._share = max(self._share, min(self._of(outer[0], {outer[0]}) if outer else 0.0, 1.0))
            return self._share

    def _of(self, phase: str, seen: set[str]) -> float:
        _, done, steps = self._phases[phase]
        if done >= steps:
            return 1.0
        inner = [name for name, (parent, *_) in self._phases.items() if parent == phase and name not in seen]
        # A finished phase inside counts with the step that it belongs to.
        running = [self._of(name, seen | {name}) for name in inner]
        return (done + max((share for share in running if share < 1.0), default=0.0)) / max(steps, 1)


@contextmanager
def bar() -> Iterator[Told]:
    """What `compile` is to tell its progress to."""
    fraction, console = Fraction(), Console()
    if not console.is_terminal:
        told = 0

        def line(phase: str, parent: str, done: int, steps: int) -> None:
            nonlocal told
            share = fraction.add(phase, parent, done, steps)
            if int(share * STEPS) > told:
                told = int(share * STEPS)
                print(f"  {told * 100 // STEPS} % ({phase})", flush=True)

        yield line
        return
    columns = (BarColumn(40), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading the model", total=1.0)

        def draw(phase: str, parent: str, done: int, steps: int) -> None:
            progress.update(task, completed=fraction.add(phase, parent, done, steps), description=phase)

        yield draw
