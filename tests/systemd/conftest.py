"""One folder to install from, one machine to install on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import make_bundle
import pytest

from tests.support.agent import AgentFolder
from tests.support.machine import Machine, require
from tests.support.plant import write_plant
from tests.support.wheels import write_wheels

AGENT_NEEDS = ("numpy", "opencv-python-headless", "paho-mqtt", "onnxruntime", "tomli", "pip", "setuptools")
PASSWORD = "the secret of this unit"
BROKER = "/etc/mosquitto-test"  # where the broker's files stand on the machine
DEVICE, BASE = "jetson-07", "plant1/assembly/line3/cell2/jetson-07"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that `make bundle` makes, of what is installed here: nothing is fetched."""
    require()
    system = subprocess.run(["/usr/bin/python3", "-V"], capture_output=True, text=True, check=False).stdout
    if not system.startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}."):
        pytest.skip(f"NOT RUN: the tests run on Python {sys.version.split()[0]}, the system's own is {system.strip()}")
    folder = tmp_path_factory.mktemp("bundle")
    write_wheels(folder / "wheels", *AGENT_NEEDS)
    before = dict(os.environ)
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
    try:
        yield make_bundle.make(make_bundle.TARGETS["this"], folder / "dist")
    finally:
        os.environ.clear()
        os.environ |= before


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """What an integrator brings: the bundle, a provisioning folder, a broker with its certificates."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copytree(bundle, folder / "bundle")
    write_plant(folder / "broker", (DEVICE, "scada"), place=BROKER)
    with (folder / "broker/mosquitto.conf").open("a", encoding="utf-8") as file:
        file.write(f"log_dest file {BROKER}/broker.log\n")
    unit = AgentFolder(_made(folder / "unit"), 8883)
    unit.write_parts([False, True])
    for name in ("ca.pem", f"{DEVICE}.pem", f"{DEVICE}.key"):
        shutil.copy(folder / "broker" / name, folder / "unit")
    (folder / "unit/password.txt").write_text(f"{PASSWORD}\n", encoding="utf-8")
    shutil.copy(folder / "unit/difference.onnx", folder)
    shutil.copytree(folder / "unit/parts", folder / "parts")
    unit.write_config(
        device={"name": DEVICE},
        camera={"source": "/srv/parts"},
        engine={"model": "/srv/difference.onnx"},
        trigger={"mode": "free-run", "interval_s": 0.2, "deadline_s": None},
        mqtt={
            "topic_base": BASE,
            "host": "localhost",
            "username": DEVICE,
            "password_file": "password.txt",
            "ca_file": "ca.pem",
            "cert_file": f"{DEVICE}.pem",
            "key_file": f"{DEVICE}.key",
        },
        results={"folder": None, "archive_mb": 5},
    )
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0))
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, given: Path) -> Iterator[Machine]:
    """A machine with a broker of the plant, on which nothing is installed."""
    with Machine(tmp_path_factory.mktemp("machine") / "m", given) as booted:
        booted.run(f"cp -r /srv/broker {BROKER} && chown -R mosquitto {BROKER}")
        booted.start(f"exec mosquitto -c {BROKER}/mosquitto.conf")
        booted.wait(f"mosquitto_pub {SCADA} -t x -n")
        yield booted


SCADA = "-h localhost -p 8883 -V 5 --cafile /srv/broker/ca.pem --cert /srv/broker/scada.pem --key /srv/broker/scada.key"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
