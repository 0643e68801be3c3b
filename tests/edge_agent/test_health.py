"""What the agent says of its device."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from edge_agent import health


def test_disk_and_memory_are_known(tmp_path: Path) -> None:
    assert health.disk_free_mb(tmp_path / "not" / "yet" / "there") > 0
    assert 5 < health.memory_mb() < 100_000


def test_a_place_that_nobody_can_look_at_is_judged_by_the_folder_above(tmp_path: Path) -> None:
    assert health.disk_free_mb(tmp_path / ("x" * 300)) > 0


def test_a_disk_that_does_not_tell_counts_as_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(_place: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(health.shutil, "disk_usage", dead)
    assert health.disk_free_mb(tmp_path) == 0


def test_available_memory_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert health.memory_available_mb(meminfo) is None
    meminfo.write_text("MemTotal:        8000000 kB\nMemAvailable:    1000000 kB\n")
    assert health.memory_available_mb(meminfo) == 1024


def test_a_thermal_zone_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    for number, (kind, temp) in enumerate([("cpu-thermal", "48250"), ("gpu-thermal", "")]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "type").write_text(kind + "\n")
        (zone / "temp").write_text(temp)
    assert health.temperatures(tmp_path) == {"cpu-thermal": 48.25}


@pytest.mark.parametrize(("state", "synced"), [(0x2001, True), (0x2041, False)])
def test_the_kernel_knows_whether_the_clock_is_synchronised(
    monkeypatch: pytest.MonkeyPatch, state: int, synced: bool
) -> None:
    monkeypatch.setattr(health, "_kernel_clock_state", lambda: state)
    assert health.clock_synced() is synced


def test_a_clock_of_which_nothing_is_known_is_not_synchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_kernel_clock_state", lambda: None)
    assert not health.clock_synced(tmp_path / "synchronized")
    (tmp_path / "synchronized").touch()
    assert health.clock_synced(tmp_path / "synchronized")


def test_a_clock_in_1970_is_not_synchronised_whatever_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_kernel_clock_state", lambda: 0)
    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    assert not health.clock_plausible()
    assert not health.clock_synced()
