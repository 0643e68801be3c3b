"""The agent comes first: what calibrates takes the processor's time that is left."""

from __future__ import annotations

import os

NICENESS = 10


def step_back() -> None:
    """Lower the priority of this process; without effect where it is low already."""
    os.nice(max(0, NICENESS - os.nice(0)))
