"""A real mosquitto on a free loopback port."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_agent.mqtt.settings import MqttSettings

INSTALL = "apt-get install mosquitto"


def mosquitto(program: str = "mosquitto") -> str:
    """Path of one of mosquitto's programs; skips the test, saying how to install it, where it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{program} is missing, nothing was tested; install it: {INSTALL}")
    return found


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """mosquitto in a subprocess: `start`, `stop`, and `start` again on the same port.

    It keeps sessions and what waits for them through a restart, and queues without limit.

    Attributes:
        folder: for its configuration, log and persistence.
        password: user "agent" must give it; "" lets everyone in.
        tls: lines such as {"cafile": …, "certfile": …, "keyfile": …}.
        extra: more lines of mosquitto.conf.
    """

    folder: Path
    password: str = ""
    tls: dict[str, Path] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        """Start, and wait until it listens."""
        self._write_config()
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [mosquitto(), "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise RuntimeError((self.folder / "mosquitto.log").read_text())

    def stop(self) -> None:
        """Stop in order; what is queued is on disk afterwards."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def settings(self, **changes: object) -> MqttSettings:
        """How an agent reaches this broker; quick to reconnect."""
        values = {
            "topic_base": "plant1/line3/jetson-07",
            "host": "localhost" if self.tls else "127.0.0.1",
            "port": self.port,
            "reconnect_min_s": 0.1,
            "reconnect_max_s": 0.5,
            **changes,
        }
        return MqttSettings(**values)  # type: ignore[arg-type]

    def _write_config(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self.folder}/",
            "max_queued_messages 0",
            "user root",  # else it changes to a user who cannot write into the test's folder
            *(f"{key} {value}" for key, value in self.tls.items()),
            *self.extra,
        ]
        if self.password:
            passwords = self.folder / "passwords"
            passwords.touch()
            subprocess.run([mosquitto("mosquitto_passwd"), "-b", passwords, "agent", self.password], check=True)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        else:
            lines.append("allow_anonymous true")
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
