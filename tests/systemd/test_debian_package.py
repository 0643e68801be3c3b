"""`make deb`: installed, provisioned, upgraded, removed and purged by dpkg itself, on a machine of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import make_deb
import pytest

from tests.support.machine import Machine
from tests.systemd.conftest import BASE, SCADA

pytestmark = pytest.mark.install

if shutil.which("dpkg-deb") is None:
    pytest.skip("NOT RUN: there is no dpkg-deb, this is no Debian", allow_module_level=True)


@pytest.fixture(scope="module")
def package(bundle: Path, given: Path) -> Path:
    made = make_deb.package(bundle, given)
    made.chmod(0o644)
    return made


def test_a_package_is_installed_provisioned_and_removed_as_any_other(package: Path, machine: Machine) -> None:
    said = machine.run(f"dpkg --install /srv/{package.name}").stdout
    assert "give a provisioning file, or write /etc/matecheck/agent.toml" in said
    machine.run("edge-agent --version && test -e /usr/lib/systemd/system/matecheck-agent.service")
    assert "upgrade it with apt" in machine.run("/srv/bundle/install", check=False).stderr

    machine.run("matecheck-setup --provision /srv/unit/agent.toml")
    (line,) = machine.run(f"mosquitto_sub {SCADA} -t '{BASE}/result' -C 1 -W 180").stdout.splitlines()
    assert json.loads(line)["device"] == "jetson-07"

    machine.run(f"dpkg --install /srv/{package.name}")  # the same again
    machine.run("systemctl is-active matecheck-agent")

    machine.run("dpkg --remove matecheck")
    assert machine.run("systemctl is-active matecheck-agent", check=False).stdout.strip() == "inactive"
    machine.run("test ! -e /opt/matecheck && ! which edge-agent && test -s /etc/matecheck/secrets/key.pem")

    assert "results stay in /var/lib/matecheck" in machine.run("dpkg --purge matecheck").stdout
    machine.run("test ! -e /etc/matecheck && test -e /var/lib/matecheck/results/outbox.sqlite")
    assert machine.run("dpkg --listfiles matecheck", check=False).returncode != 0
    left = machine.run("ls -d /etc/systemd/system/matecheck* /etc/systemd/system/*.wants/matecheck*", check=False)
    assert left.stdout == ""
