"""How long each stage of an inspection takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Timing:
    """Durations in milliseconds by name of the stage; `clock` gives nanoseconds."""

    clock: Callable[[], int]
    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        began = self.clock()
        try:
            yield
        finally:
            self.stages[name] = (self.clock() - began) / 1e6
