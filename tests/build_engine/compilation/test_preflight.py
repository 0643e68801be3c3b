"""A build that would not fit is refused before it begins, with what is needed, what is there, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_engine.compilation import preflight
from build_engine.compilation.bar import Fraction
from edge_agent.errors import EngineError, StorageError


@pytest.mark.parametrize(("available", "swap", "fits"), [(4000, 0, True), (1000, 2000, True), (2000, 500, False)])
def test_memory_counts_swap_too(tmp_path: Path, available: int, swap: int, fits: bool) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 8000000 kB\nMemAvailable: {available << 10} kB\nSwapFree: {swap << 10} kB\n")
    if fits:
        preflight.check_memory(1024, meminfo)
        return
    with pytest.raises(EngineError, match="about 2560 MB of memory, 2500 MB are free") as caught:
        preflight.check_memory(1024, meminfo)
    assert "--workspace-mb" in caught.value.mend


def test_this_machine_can_be_asked() -> None:
    preflight.check_memory(-preflight.BUILDER_MB)


def test_the_gpu_and_the_disk_are_asked_too(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="1024 MB of GPU memory, 512 MB are free"):
        preflight.check_gpu_memory(1024, 512 << 20)
    with pytest.raises(StorageError, match="MB are free"):
        preflight.check_disk(tmp_path, 1 << 60)


def test_progress_rises_through_phases_inside_phases() -> None:
    fraction = Fraction()
    told = [
        ("Building", "", 0, 4),
        ("Building", "", 1, 4),
        ("Timing", "Building", 0, 2),
        ("Tactics", "Timing", 1, 2),
        ("Tactics", "Timing", 2, 2),
        ("Timing", "Building", 1, 2),
        ("Timing", "Building", 2, 2),
        ("Building", "", 2, 4),
        ("Timing", "Building", 0, 2),  # the same name again, inside another step
        ("Building", "", 4, 4),
    ]
    shares = [fraction.add(*message) for message in told]
    assert shares == sorted(shares)
    assert shares[:4] == [0.0, 0.25, 0.25, 0.3125]
    assert shares[-1] == 1.0
