import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Verdict
from edge_agent.results.archive import Archive
from tests.support.results import maker

NOISE = np.random.default_rng(1).integers(0, 256, (310, 310, 3), dtype=np.uint8)  # about 120 kB as JPEG


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_picture_stands_with_its_result_under_time_seq_and_verdict(tmp_path: Path) -> None:
    result = maker(Verdict.NG)(42)
    path = Archive(tmp_path / "new" / "archive", limit_mb=1).save(result, NOISE)
    assert path.name == "20261122T151230123Z_000000042_NG.jpg"
    assert cv2.imread(str(path)).shape == NOISE.shape
    assert json.loads(path.with_suffix(".json").read_text())["id"] == result.id


def test_the_oldest_go_first_and_the_limit_holds_through_restarts(tmp_path: Path) -> None:
    archive = Archive(tmp_path, limit_mb=0.4)
    for seq in range(1, 6):
        # the clock jumps back to 1970 for the newest: they are still not the oldest
        taken = datetime(2026 if seq < 4 else 1970, 1, 1, tzinfo=timezone.utc)
        archive.save(replace(maker()(seq), captured_at=taken), NOISE)
        assert archive.size == total(tmp_path) <= 400_000
    archive = Archive(tmp_path, limit_mb=0.4)
    assert archive.size == total(tmp_path)
    archive.save(maker()(6), NOISE)
    assert sorted(int(path.name.split("_")[1]) for path in tmp_path.glob("*.jpg")) == [4, 5, 6]
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_a_lower_limit_is_kept_from_the_start(tmp_path: Path) -> None:
    archive = Archive(tmp_path, limit_mb=10)
    for seq in range(1, 4):
        archive.save(maker()(seq), NOISE)
    Archive(tmp_path, limit_mb=0.2)
    assert [path.name.split("_")[1] for path in tmp_path.glob("*.jpg")] == ["000000003"]


def test_half_written_files_are_deleted_and_files_of_others_left_alone(tmp_path: Path) -> None:
    half = tmp_path / "20261122T151230123Z_000000042_NG.jpg.part"
    own = tmp_path / "notes.txt"
    for path in (half, own):
        path.write_text("x")
    assert Archive(tmp_path, limit_mb=1).size == 0
    assert not half.exists()
    assert own.exists()


def test_files_deleted_by_hand_do_not_disturb(tmp_path: Path) -> None:
    archive = Archive(tmp_path, limit_mb=0.2)
    archive.save(maker()(1), NOISE).unlink()
    assert archive.save(maker()(2), NOISE).exists()


def test_a_picture_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"limit is 0\.1 MB; raise the limit"):
        Archive(tmp_path, limit_mb=0.1).save(maker()(1), NOISE)


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Archive(tmp_path / "file", limit_mb=1)


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from pathlib import Path
        from edge_agent.errors import StorageError
        from edge_agent.results.archive import Archive
        from tests.edge_agent.results.test_archive import NOISE
        from tests.support.results import maker
        archive = Archive(Path(sys.argv[1]), limit_mb=10)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        try:
            archive.save(maker()(1), NOISE)
        except StorageError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert "cannot be written: File too large; check free space" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.fixture
def disk_of_one_mb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A disk that holds this folder and has 1 MB in all."""

    def usage(_folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=1_000_000 - total(tmp_path))

    monkeypatch.setattr("edge_agent.results.archive.shutil.disk_usage", usage)
    return tmp_path


def test_the_archive_leaves_the_free_space_that_others_need(disk_of_one_mb: Path) -> None:
    archive = Archive(disk_of_one_mb, limit_mb=10, min_free_mb=0.5)
    for seq in range(1, 9):
        archive.save(maker()(seq), NOISE)
    assert total(disk_of_one_mb) <= 500_000
    assert max(path.name.split("_")[1] for path in disk_of_one_mb.glob("*.jpg")) == "000000008"


def test_no_picture_is_kept_where_others_have_filled_the_disk(disk_of_one_mb: Path) -> None:
    archive = Archive(disk_of_one_mb, limit_mb=10, min_free_mb=0.5)
    archive.save(maker()(1), NOISE)
    (disk_of_one_mb / "of others").write_bytes(bytes(600_000))
    with pytest.raises(StorageError, match=r"the picture is not kept: less than 0\.5 MB are free"):
        archive.save(maker()(2), NOISE)
    (disk_of_one_mb / "of others").unlink()
    archive.save(maker()(3), NOISE)


def test_the_archive_gives_up_its_oldest_pictures(disk_of_one_mb: Path) -> None:
    archive = Archive(disk_of_one_mb, limit_mb=10)
    for seq in range(1, 6):
        archive.save(maker()(seq), NOISE)
    archive.give_up(free_mb=0.75)
    left = sorted(path.name.split("_")[1] for path in disk_of_one_mb.glob("*.jpg"))
    assert left == ["000000004", "000000005"]
    assert archive.size == total(disk_of_one_mb)
    archive.give_up(free_mb=5)
    assert archive.size == 0


def test_a_folder_that_somebody_has_deleted_to_make_room_is_made_again(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive", limit_mb=1)
    archive.save(maker(Verdict.NG)(1), NOISE)
    shutil.rmtree(tmp_path / "archive")
    archive.give_up(1e9)
    assert archive.save(maker(Verdict.NG)(2), NOISE).is_file()
