"""When the device counts as unwell."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_agent.errors import ConfigError


@dataclass(frozen=True)
class HealthSettings:
    """The `[health]` section: beyond these limits `status` says "degraded"; inspecting goes on.

    Attributes:
        hot_c: degrees Celsius of the hottest zone; a Jetson throttles not far above.
        memory_mb: resident memory of the agent; 0 sets no limit.
        memory_available_mb: least memory that must be left on the machine; 0 sets no limit.
        clock_must_be_synced: also a clock that is plausible, but not synchronised, is unwell.
        hang_s: a part of the agent without a sign of life for so long hangs: the process ends and is to be restarted.
            Some drivers take 10 s by themselves to say that a camera is gone.
        restarts: of one part of the agent within ten minutes, at most; then the process ends too.
    """

    hot_c: float = 85.0
    memory_mb: int = 0
    memory_available_mb: int = 200
    clock_must_be_synced: bool = False
    hang_s: float = 20.0
    restarts: int = 5

    def __post_init__(self) -> None:
        _within("hot_c", self.hot_c, 20, 200)
        _within("memory_mb", self.memory_mb, 0, math.inf)
        _within("memory_available_mb", self.memory_available_mb, 0, math.inf)
        _within("hang_s", self.hang_s, 1, 3600)
        _within("restarts", self.restarts, 0, 1000)


def _within(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        limits = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
        raise ConfigError("is out of range", where=key, mend=f"give {limits}")
