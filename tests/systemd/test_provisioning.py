"""A provisioning file is an agent.toml: what it names beside itself goes to its place on the device."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from installer import provision
from installer.errors import InstallError
from installer.layout import Layout

from edge_agent.config import load
from tests.support.agent import MADE_UP

DEVICE = Layout()
UNIT = """\
[device]
name = "jetson-07"  # painted on the lid
[camera]
kind = "gstreamer"
source = "csi"
[recipe]
folder = "recipes/x2"
[mqtt]
topic_base = "plant1/line3/jetson-07"
host = "broker.plant1"
ca_file = "ca.pem"
"""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    MADE_UP.save(tmp_path / "recipes/x2")
    (tmp_path / "ca.pem").write_text("the authority")
    (tmp_path / "unit.toml").write_text(UNIT)
    return tmp_path / "unit.toml"


def read(unit: Path) -> provision.Provisioning:
    return provision.read(unit, DEVICE, unit.parent)


def test_paths_lead_to_their_places_on_the_device_and_all_else_stays(unit: Path, tmp_path: Path) -> None:
    wanted = read(unit)
    assert wanted.secrets == {"ca.pem": b"the authority"}
    assert wanted.recipe == tmp_path / "recipes/x2"
    assert wanted.csi
    assert 'name = "jetson-07"  # painted on the lid' in wanted.text
    placed = tmp_path / "etc/agent.toml"
    placed.parent.mkdir()
    placed.write_text(wanted.text)
    settings = load(placed)
    assert settings.recipe.folder == Path("/var/lib/matecheck/recipes/x2")
    assert settings.results.folder == Path("/var/lib/matecheck/results")
    assert settings.engine.store == Path("/var/lib/matecheck/engines")
    assert settings.mqtt.ca_file == placed.parent / "secrets/ca.pem"
    assert (settings.device.name, settings.mqtt.host) == ("jetson-07", "broker.plant1")


def test_what_is_read_twice_is_the_same(unit: Path) -> None:
    assert read(unit) == read(unit)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"ca.pem"', '"other.pem"', 'ca_file = "other.pem": cannot be read (No such file or directory)'),
        ('"recipes/x2"', '"recipes/x3"', 'folder = "recipes/x3": is no recipe; make it with edge-agent teach'),
        ("[mqtt]", "[mqtt", "is not TOML"),
        (
            "[device]",
            '[results]\nfolder = "/data"\n[device]',
            "the service may write to /var/lib/matecheck/results alone",
        ),
        ("[device]", "recipe = 3\n[device]", "is not TOML"),
    ],
)
def test_what_cannot_be_right_is_said_with_its_mend(unit: Path, before: str, after: str, said: str) -> None:
    unit.write_text(UNIT.replace(before, after))
    with pytest.raises(InstallError, match=re.escape(said)):
        read(unit)


def test_an_empty_certificate_is_refused(unit: Path) -> None:
    (unit.parent / "ca.pem").write_text("\n")
    with pytest.raises(InstallError, match="is empty; write the file, or remove the key"):
        read(unit)


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="this Python reads TOML by itself")
def test_python_3_10_reads_toml_by_the_wheel_in_the_folder(unit: Path) -> None:
    with pytest.raises(InstallError, match="there is no wheel of tomli"):
        read(unit)
