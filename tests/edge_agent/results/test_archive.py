import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.errors import StorageError
from edge_agent.inspection.inspection import Verdict
from edge_agent.results.archive import Archive
from tests.support.results import maker

NOISE = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)  # 100 kB as PNG


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_picture_stands_with_its_result_under_time_seq_and_verdict(tmp_path: Path) -> None:
    result = maker(Verdict.NG)(42)
    path = Archive(tmp_path / "new" / "archive", limit_mb=1, image_format="png").save(result, NOISE)
    assert path.name == "20261122T151230123Z_000000042_NG.png"
    assert np.array_equal(cv2.imread(str(path)), NOISE)
    assert json.loads(path.with_suffix(".json").read_text())["id"] == result.id


def test_jpeg_is_the_small_default(tmp_path: Path) -> None:
    path = Archive(tmp_path, limit_mb=1).save(maker(Verdict.ERROR)(7), NOISE)
    assert path.suffix == ".jpg"
    assert cv2.imread(str(path)).shape == NOISE.shape


def test_the_oldest_go_first_and_the_limit_holds_through_restarts(tmp_path: Path) -> None:
    archive = Archive(tmp_path, limit_mb=0.4, image_format="png")
    for seq in range(1, 6):
        # the clock jumps back to 1970 for the newest: they are still not the oldest
        taken = datetime(2026 if seq < 4 else 1970, 1, 1, tzinfo=timezone.utc)
        archive.save(replace(maker()(seq), captured_at=taken), NOISE)
        assert archive.size == total(tmp_path) <= 400_000
    archive = Archive(tmp_path, limit_mb=0.4, image_format="png")
    assert archive.size == total(tmp_path)
    archive.save(maker()(6), NOISE)
    assert sorted(int(path.name.split("_")[1]) for path in tmp_path.glob("*.png")) == [4, 5, 6]
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_a_lower_limit_is_kept_from_the_start(tmp_path: Path) -> None:
    archive = Archive(tmp_path, limit_mb=10, image_format="png")
    for seq in range(1, 4):
        archive.save(maker()(seq), NOISE)
    Archive(tmp_path, limit_mb=0.2)
    assert [path.name.split("_")[1] for path in tmp_path.glob("*.png")] == ["000000003"]


def test_half_written_files_are_deleted_and_files_of_others_left_alone(tmp_path: Path) -> None:
    half = tmp_path / "20261122T151230123Z_000000042_NG.jpg.part"
    own = tmp_path / "notes.txt"
    for path in (half, own):
        path.write_text("x")
    assert Archive(tmp_path, limit_mb=1).size == 0
    assert not half.exists()
    assert own.exists()


def test_files_deleted_by_hand_do_not_disturb(tmp_path: Path) -> None:
    archive = Archive(tmp_path, limit_mb=0.2, image_format="png")
    archive.save(maker()(1), NOISE).unlink()
    assert archive.save(maker()(2), NOISE).exists()


def test_a_picture_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"limit is 0\.1 MB; raise the limit"):
        Archive(tmp_path, limit_mb=0.1, image_format="png").save(maker()(1), NOISE)


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
