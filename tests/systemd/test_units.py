"""The units, as far as they can be judged without a machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = sorted((SYSTEMD / "units").glob("*.service"))

if shutil.which("systemd-analyze") is None:
    pytest.skip("NOT RUN: systemd-analyze is missing; apt-get install systemd", allow_module_level=True)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:  # the commands are there on a device alone
        text = re.sub(r"(?m)^(Exec\w+=\+?)/opt/matecheck/\S+", r"\1/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    drop_ins = tmp_path / "matecheck-agent.service.d"
    shutil.copytree(SYSTEMD / "drop-ins", drop_ins)
    done = analyze("verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS))
    assert (done.stderr + done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_exposure_of_each_unit_is_2_at_most(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout


def test_an_agent_that_fails_at_once_is_started_again_for_as_long_as_it_takes() -> None:
    unit = (SYSTEMD / "units/matecheck-agent.service").read_text(encoding="utf-8")
    said = dict(re.findall(r"(?m)^(Restart|RestartSec|StartLimitIntervalSec|StartLimitBurst)=(.+)$", unit))
    assert said["Restart"] == "on-failure"
    attempts = int(said["StartLimitIntervalSec"]) / int(said["RestartSec"]) + 1
    assert attempts < int(said["StartLimitBurst"]), "systemd would give up"
