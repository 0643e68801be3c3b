"""The broker of docs/mosquitto, as an integrator sets it up: certificates, users, who may say what."""

from __future__ import annotations

import itertools
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import paho.mqtt.client as paho
import trustme
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from tests.support.broker import free_port, mosquitto

DOCS = Path(__file__).parents[2] / "docs/mosquitto"
NUMBERS = itertools.count()  # a broker ends the older of two clients of the same name
CELL = "plant1/assembly/line3/cell2"


def issue(authority: trustme.CA, folder: Path, name: str, common_name: str, not_after: datetime | None = None) -> None:
    """Write NAME.pem and NAME.key, for a host `localhost` and the user `common_name`."""
    made = authority.issue_cert("localhost", common_name=common_name, not_after=not_after)
    made.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    made.private_key_pem.write_to_path(folder / f"{name}.key")


def write_plant(folder: Path, users: Sequence[str], *, place: str = "", port: int = 8883) -> trustme.CA:
    """The files of the broker and a certificate for each user, in one folder; the authority that signed them.

    Args:
        folder: to be made.
        users: common names.
        place: where the folder stands when the broker reads it; `folder` if not given.
        port: that it listens on.
    """
    folder.mkdir(parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issue(authority, folder, "broker", "localhost")
    for user in users:
        issue(authority, folder, user, user)
    shutil.copy(DOCS / "acl", folder)
    there, text = place or str(folder), (DOCS / "mosquitto.conf").read_text(encoding="utf-8")
    changes = {
        "listener 8883": f"listener {port}",
        "/etc/mosquitto/certs/": f"{there}/",
        "/etc/mosquitto/acl": f"{there}/acl",
        "/var/lib/mosquitto/": f"{there}/",
    }
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    (folder / "mosquitto.conf").write_text(text, encoding="utf-8")
    return authority


class Plant:
    """That broker in a process. Use it in a `with` block.

    Attributes:
        folder: certificates by user.
        authority: that the broker trusts.
    """

    def __init__(self, folder: Path, users: Sequence[str]) -> None:
        self.folder, self.port = folder, free_port()
        self.authority = write_plant(folder, users, port=self.port)
        with (folder / "mosquitto.conf").open("a", encoding="utf-8") as file:
            file.write("user root\nlog_type debug\n")  # debug: each message that was denied

    def __enter__(self) -> Plant:
        with (self.folder / "broker.log").open("wb") as log:
            command = [mosquitto(), "-c", str(self.folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise RuntimeError(self.log)

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait(10)

    @property
    def log(self) -> str:
        """What the broker has logged."""
        return (self.folder / "broker.log").read_text(encoding="utf-8")

    def wait_for_log(self, text: str, seconds: float = 60) -> None:
        """The broker answers before it writes down why."""
        end = time.monotonic() + seconds
        while text not in self.log:
            if time.monotonic() > end:
                raise AssertionError(f"the broker did not log {text!r}:\n{self.log}")
            time.sleep(0.02)

    def context(self, user: str = "") -> ssl.SSLContext:
        """TLS with this user's certificate, or with none."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if user:
            context.load_cert_chain(self.folder / f"{user}.pem", self.folder / f"{user}.key")
        return context

    @contextmanager
    def client(self, user: str) -> Iterator[PlantClient]:
        """A client that is connected as this user."""
        client = PlantClient(self, user)
        try:
            yield client
        finally:
            client.paho.disconnect()
            client.paho.loop_stop()


class PlantClient:
    """Publishes with the broker's answer, and remembers what it hears."""

    def __init__(self, plant: Plant, user: str) -> None:
        self.heard: list[paho.MQTTMessage] = []
        self._answers: dict[int, str] = {}
        self._changed = threading.Condition()
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"test-{user}-{next(NUMBERS)}", protocol=paho.MQTTv5
        )
        self.paho.tls_set_context(plant.context(user))
        self.paho.on_message = lambda _client, _data, message: self._note(lambda: self.heard.append(message))
        self.paho.on_publish = lambda _client, _data, mid, code, _properties: self._note(
            lambda: self._answers.update({mid: str(code)})
        )
        self.paho.connect("localhost", plant.port)
        self.paho.loop_start()

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe, and wait until it holds."""
        done = threading.Event()
        self.paho.on_subscribe = lambda *_: done.set()
        self.paho.subscribe(topic_filter, qos=1)
        assert done.wait(60)

    def publish(self, topic: str, payload: bytes, retain: bool = False, properties: Properties | None = None) -> str:
        """Publish with QoS 1; what the broker answered: "Success", "Not authorized", …."""
        mid = self.paho.publish(topic, payload, qos=1, retain=retain, properties=properties).mid
        self.wait(lambda: mid in self._answers)
        return self._answers[mid]

    def wait(self, what: object, timeout_s: float = 60) -> None:
        """Wait until `what()` is true of what came."""
        assert callable(what)
        with self._changed:
            heard = self._changed.wait_for(what, timeout_s)
        assert heard, f"waited {timeout_s} s in vain; heard {[message.topic for message in self.heard]}"

    def on(self, topic: str) -> list[bytes]:
        """Payloads of what came on this topic."""
        return [bytes(message.payload) for message in list(self.heard) if message.topic == topic]

    def _note(self, what: object) -> None:
        assert callable(what)
        with self._changed:
            what()
            self._changed.notify_all()
