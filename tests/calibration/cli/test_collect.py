import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibration.cli.main import main
from calibration.pair_set import PairSet
from tests.support.agent import AgentFolder, AgentProcess
from tests.support.line import write_line


def line(tmp_path: Path, parts: int, **trigger: object) -> Path:
    folder = AgentFolder(tmp_path, port=1)
    write_line(folder.parts, parts)
    return folder.write_config(trigger=trigger, results={"archive_mb": 0, "thumbnail_width_px": 0})


def test_pictures_of_the_running_agent_become_a_set_and_a_killed_collect_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = line(tmp_path, parts=20, mode="free-run", interval_s=0.0)
    pairs = tmp_path / "results" / "calibration" / "set"
    with AgentProcess(config) as agent:
        agent.wait_for_log("agent-started")
        command = [sys.executable, "-m", "calibration.cli.main", "collect", str(config), "--every", "0"]
        collecting = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(before := PairSet(pairs).entries) < 8:
            assert collecting.poll() is None
            time.sleep(0.02)
        collecting.send_signal(signal.SIGKILL)
        collecting.wait(10)
        assert main(["collect", str(config), "--every", "0", "--minutes", "0.02"]) == 1
        assert agent.process.poll() is None
    entries = PairSet(pairs).entries
    assert {entry.id for entry in before} <= {entry.id for entry in entries}
    assert not list((tmp_path / "results" / "calibration" / "inbox").glob("*.json"))
    shown = capsys.readouterr().out
    assert "of 200 pairs are there" in shown
    assert "MISSING  pairs" in shown
    assert "minutes are over" in shown


def test_without_the_agent_the_camera_is_opened_and_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = line(tmp_path, parts=12)
    text = config.read_text().replace("loop = true", "loop = false")
    config.write_text(text)
    assert main(["collect", str(config), "--camera", "--every", "0"]) == 1
    shown = capsys.readouterr().out
    assert "12 (wanted: 200)" in shown
    assert "put parts with a test piece" in shown
    assert "the camera has come to its end" in shown


def test_pictures_taken_twice_and_of_another_recipe_are_left_out(tmp_path: Path) -> None:
    config = line(tmp_path, parts=3)
    config.write_text(config.read_text().replace("loop = true", "loop = false"))
    for _ in range(2):
        main(["collect", str(config), "--camera", "--every", "0"])
    assert len(PairSet(tmp_path / "results" / "calibration" / "set").entries) == 3


def test_only_one_collects_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = line(tmp_path, parts=1)
    folder = tmp_path / "results" / "calibration"
    folder.mkdir(parents=True)
    with (folder / "request.json").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["collect", str(config)]) == 2
    assert "another calibrate collect is at work" in capsys.readouterr().err


def test_too_few_pairs_are_refused_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", str(line(tmp_path, parts=1)), "--pairs", "10"]) == 2
    assert "too few to tell a good engine from a bad one" in capsys.readouterr().err
