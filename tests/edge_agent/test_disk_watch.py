"""With little room on the disk the archive shrinks first, then pictures stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent import disk_watch, health
from edge_agent.disk_watch import DiskWatch


class Disk:
    """A disk with an archive on it."""

    def __init__(self, free_mb: int, archive_mb: int) -> None:
        self.free_mb, self.archive_mb = free_mb, archive_mb

    def give_up(self, free_mb: float) -> None:
        gone = min(self.archive_mb, max(0, int(free_mb - self.free_mb) + 1))
        self.archive_mb -= gone
        self.free_mb += gone


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(free_mb=1000, archive_mb=500)
    monkeypatch.setattr(disk_watch, "LOOK_S", 0.0)
    monkeypatch.setattr(health, "disk_free_mb", lambda _folder: disk.free_mb)
    return disk


def test_the_archive_gives_up_its_share_before_pictures_stop(disk: Disk, tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, 100, disk.give_up)
    assert watch.look() is None
    disk.free_mb = 60
    assert watch.look() is None
    assert watch.pictures_welcome
    assert disk.archive_mb == 449


def test_without_an_archive_to_shrink_pictures_stop_until_there_is_clearly_room(disk: Disk, tmp_path: Path) -> None:
    disk.archive_mb = 0
    watch = DiskWatch(tmp_path, 100, disk.give_up)
    disk.free_mb = 99
    condition = watch.look()
    assert condition
    assert condition.code == "storage"
    assert condition.text == f"less than 100 MB are free at {tmp_path}: no pictures are kept or sent, results go on"
    disk.free_mb = 105
    assert watch.look() == condition
    assert not watch.pictures_welcome
    disk.free_mb = 111
    assert watch.look() is None
    disk.free_mb = 100
    assert watch.look() is None
