"""What systemd hears of the agent, over a real datagram socket."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent import systemd
from tests.support.agent import AgentFolder
from tests.support.broker import Broker


def test_systemd_hears_the_states_in_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        systemd.notify("READY=1", "STATUS=inspecting")
        assert server.recv(1024) == b"READY=1\nSTATUS=inspecting"


def test_an_abstract_notify_socket_works(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"matecheck-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        systemd.notify("WATCHDOG=1")
        assert server.recv(1024) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")


def test_a_systemd_that_is_gone_does_not_end_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")
    assert "systemd-does-not-listen" in caplog.text


def test_the_watchdog_is_fed_three_times_within_its_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        watchdog = systemd.Watchdog()
        began = time.monotonic()
        fed = 0
        while fed < 4:
            watchdog.feed()
            watchdog.feed()
            server.setblocking(False)
            try:
                assert server.recv(1024) == b"WATCHDOG=1"
                fed += 1
            except BlockingIOError:
                time.sleep(0.002)
        assert time.monotonic() - began >= 0.29  # the first at once, then every 100 ms


@contextmanager
def _service(config: Path, *, hanging_camera: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """The agent as systemd starts it, and systemd's ear."""
    address = str(config.with_name("notify"))
    command = [sys.executable, "-m", "edge_agent.cli.main", "run", str(config)]
    if hanging_camera:
        command = [sys.executable, "-m", "tests.support.hanging_camera", "run", str(config)]
    environment = os.environ | {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1500000", "OMP_NUM_THREADS": "1"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear, config.with_name("log").open("wb") as log:
        ear.bind(address)
        ear.settimeout(60)
        process = subprocess.Popen(command, env=environment, stderr=log)
        try:
            yield process, ear
        finally:
            process.kill()
            process.wait(10)


def _hear(ear: socket.socket, start: str) -> list[str]:
    """Everything up to the first datagram that begins so."""
    heard = []
    while not (heard and heard[-1].startswith(start)):
        heard.append(ear.recv(4096).decode())
    return heard


def test_systemd_hears_when_the_agent_is_ready_alive_and_stopping(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    with _service(folder.write_config()) as (process, ear):
        assert _hear(ear, "READY=1") == ["READY=1\nSTATUS=online"]
        assert _hear(ear, "WATCHDOG=1")
        assert _hear(ear, "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        _hear(ear, "STOPPING=1")
        assert process.wait(60) == 0


def test_a_camera_that_hangs_in_its_driver_ends_the_process_with_code_3(folder: AgentFolder, broker: Broker) -> None:
    folder.write_parts([False])
    config = folder.write_config(health={"hang_s": 3.0})
    with _service(config, hanging_camera=True) as (process, ear):
        heard = _hear(ear, "STOPPING=1")
        after = [said for said in heard if "capture hangs: no sign of life for 3 s" in said]
        assert after
        heard = heard[heard.index(after[0]) :]
        assert process.wait(60) == 3
        assert not [said for said in heard if said.startswith("WATCHDOG")]
    assert "process-must-restart" in config.with_name("log").read_text()


@pytest.mark.skipif(not shutil.which("systemd-notify"), reason="systemd-notify is NOT compared: it is not here")
def test_our_datagrams_are_those_of_systemd_notify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        systemd.notify("READY=1", "STATUS=online")
        ours = server.recv(4096).decode().splitlines()
        command = ["systemd-notify", "--no-block", "--ready", "--status=online"]
        theirs_sent = subprocess.run(command, capture_output=True, text=True, check=False)
        if theirs_sent.returncode:
            pytest.skip(f"systemd-notify does NOT run here: {theirs_sent.stderr.strip()}")
        theirs = server.recv(4096).decode().splitlines()
    assert set(ours) <= set(theirs)  # it may name its own process besides
