"""What the agent says of its device, and to systemd."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge_agent import health


def test_systemd_hears_the_states_in_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        health.notify("READY=1", "STATUS=inspecting")
        assert server.recv(1024) == b"READY=1\nSTATUS=inspecting"


def test_an_abstract_notify_socket_works(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"matecheck-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        health.notify("WATCHDOG=1")
        assert server.recv(1024) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    health.notify("READY=1")


def test_a_systemd_that_is_gone_does_not_end_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    health.notify("READY=1")
    assert "systemd-does-not-listen" in caplog.text


def test_disk_and_memory_are_known(tmp_path: Path) -> None:
    assert health.disk_free_mb(tmp_path / "not" / "yet" / "there") > 0
    assert 5 < health.memory_mb() < 100_000


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
