"""The broker of docs/mosquitto and a real agent, against who has no business there: refused, and logged."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.errors import BrokerError
from edge_agent.mqtt.connection import Connection, Will
from edge_agent.mqtt.credentials import AccessError, tls_context
from edge_agent.mqtt.settings import MqttSettings
from tests.support.agent import AgentFolder, AgentProcess
from tests.support.plant import CELL, NUMBERS, Plant, issue

OURS, OTHER = f"{CELL}/jetson-07", f"{CELL}/jetson-08"
USERS = ("jetson-07", "jetson-08", "line3-plc", "line4-plc", "scada", "maintenance")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with Plant(tmp_path_factory.mktemp("plant") / "broker", USERS) as running:
        yield running


@pytest.fixture(scope="module")
def agent(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcess]:
    """A real agent as jetson-07."""
    folder = AgentFolder(tmp_path_factory.mktemp("agent"), plant.port)
    folder.write_parts([False])
    files = {"ca_file": "ca.pem", "cert_file": "jetson-07.pem", "key_file": "jetson-07.key"}
    for name in files.values():
        shutil.copy(plant.folder / name, folder.folder)
    mqtt = {"topic_base": OURS, "host": "localhost", "port": plant.port, **files}
    with AgentProcess(folder.write_config(mqtt=mqtt)) as process, plant.client("scada") as scada:
        scada.subscribe(f"{OURS}/info")
        scada.wait(lambda: scada.on(f"{OURS}/info"))
        yield process


def refused(plant: Plant, context: ssl.SSLContext | None) -> bool:
    """Whether a client with this certificate gets no word of MQTT out of the broker."""
    connect = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc"
    try:
        with socket.create_connection(("localhost", plant.port), timeout=60) as plain:
            stream = context.wrap_socket(plain, server_hostname="localhost") if context else plain
            stream.sendall(connect)
            return stream.recv(4)[:2] != b"\x20\x02"
    except OSError:
        return True


def stranger(folder: Path, authority: trustme.CA, trusted: Path, not_after: datetime | None = None) -> ssl.SSLContext:
    issue(authority, folder, "stranger", "jetson-07", not_after)
    context = ssl.create_default_context(cafile=str(trusted))
    context.load_cert_chain(folder / "stranger.pem", folder / "stranger.key")
    return context


def test_who_has_a_certificate_of_the_plant_is_let_in(plant: Plant) -> None:
    assert not refused(plant, plant.context("scada"))


def test_who_has_no_certificate_is_refused_and_logged(plant: Plant) -> None:
    assert refused(plant, plant.context())
    plant.wait_for_log("peer did not return a certificate")


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (None, "certificate required"),
        ("of another authority", "unknown ca|bad certificate|certificate unknown"),
        ("expired", "certificate expired"),
    ],
)
def test_an_agent_that_is_refused_for_its_certificate_says_so(
    plant: Plant, tmp_path: Path, ours: str | None, told: str
) -> None:
    files = {"ca_file": plant.folder / "ca.pem"}
    if ours:
        yesterday = datetime.now(timezone.utc) - timedelta(days=1)
        authority, end = (plant.authority, yesterday) if ours == "expired" else (trustme.CA(), None)
        issue(authority, tmp_path, "ours", "jetson-07", end)
        files |= {"cert_file": tmp_path / "ours.pem", "key_file": tmp_path / "ours.key"}
    settings = MqttSettings(OURS, "localhost", plant.port, **files)
    wake, other = socket.socketpair()
    for protocol in ("5", "3.1.1"):
        with pytest.raises(AccessError, match=f"the broker refuses our certificate: ({told})"):
            Connection(settings, protocol, Will(f"{OURS}/status", ""), wake)
    wake.close()
    other.close()


def test_who_does_not_encrypt_is_refused(plant: Plant) -> None:
    assert refused(plant, None)


def test_who_has_a_certificate_of_another_authority_is_refused_and_logged(plant: Plant, tmp_path: Path) -> None:
    assert refused(plant, stranger(tmp_path, trustme.CA(), plant.folder / "ca.pem"))
    plant.wait_for_log("certificate verify failed")


def test_who_has_an_expired_certificate_is_refused(plant: Plant, tmp_path: Path) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    assert refused(plant, stranger(tmp_path, plant.authority, plant.folder / "ca.pem", yesterday))


@pytest.mark.parametrize("name", ["#", "+", "a/#"])
def test_a_name_that_is_a_wildcard_opens_nothing(plant: Plant, agent: AgentProcess, tmp_path: Path, name: str) -> None:
    wild = name.replace("/", "-").replace("#", "hash").replace("+", "plus")
    issue(plant.authority, plant.folder, wild, name)
    with plant.client(wild) as client, plant.client("line3-plc") as plc:
        client.subscribe("plant1/#")
        plc.subscribe(f"{OURS}/#")
        plc.publish(f"{OURS}/command/inspect", json.dumps({"part_id": f"wild {wild}"}).encode())
        plc.wait(lambda: any(f"wild {wild}".encode() in result for result in plc.on(f"{OURS}/result")))
        client.publish(f"{OURS}/result", b"forged")
        assert client.heard == []
        assert b"forged" not in plc.on(f"{OURS}/result")


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("jetson-08", f"{OURS}/result"),
        ("jetson-08", f"{OURS}/status"),
        ("jetson-08", f"{OURS}/command/inspect"),
        ("jetson-07", f"{OTHER}/command/inspect"),
        ("line4-plc", f"{OURS}/command/inspect"),
        ("line3-plc", f"{OURS}/command/replay"),
        ("line3-plc", f"{OURS}/command/teach"),
        ("line3-plc", f"{OURS}/result"),
        ("line3-plc", "plant1/assembly/line4/cell1/jetson-20/command/inspect"),
        ("scada", f"{OURS}/command/inspect"),
        ("scada", f"{OURS}/status"),
        ("maintenance", f"{OURS}/result"),
    ],
)
def test_what_is_not_allowed_is_denied_and_reaches_nobody(
    plant: Plant, agent: AgentProcess, user: str, topic: str
) -> None:
    payload = json.dumps({"part_id": f"{user} {topic}"[:128]}).encode()
    with plant.client("scada" if user != "scada" else "maintenance") as witness, plant.client(user) as client:
        witness.subscribe("plant1/#")
        assert client.publish(topic, payload) == "Not authorized"
        with plant.client("line3-plc") as plc:  # what comes after it has come: what was denied would have been there
            after = f"after {next(NUMBERS)}"
            plc.publish(f"{OURS}/command/inspect", json.dumps({"part_id": after}).encode())
        witness.wait(lambda: any(f'"{after}"'.encode() in payload for payload in witness.on(f"{OURS}/result")))
        assert payload not in witness.on(topic)
        assert not [said for said in witness.on(f"{OURS}/result") if f"{user} ".encode() in said]
    plant.wait_for_log(f"Denied PUBLISH from test-{user}")


def test_a_device_hears_the_commands_of_no_other(plant: Plant, agent: AgentProcess) -> None:
    with plant.client("jetson-08") as other, plant.client("maintenance") as maintenance:
        other.subscribe("#")
        maintenance.publish(f"{OURS}/command/inspect", b'{"part_id": "for 07"}')
        maintenance.publish(f"{OTHER}/command/inspect", b'{"part_id": "for 08"}')
        other.wait(lambda: other.heard)
        assert {message.topic for message in other.heard} == {f"{OTHER}/command/inspect"}


def test_a_retained_command_is_refused_and_logged(plant: Plant, agent: AgentProcess) -> None:
    with plant.client("line3-plc") as plc:
        plc.subscribe(f"{OURS}/#")
        plc.publish(f"{OURS}/command/inspect", b'{"part_id": "retained"}', retain=True)
        # A late reply to what an earlier test asked may come before.
        plc.wait(lambda: any(b"retained commands" in reply for reply in plc.on(f"{OURS}/reply/inspect")))
        plc.publish(f"{OURS}/command/inspect", b"", retain=True)
        plc.publish(f"{OURS}/command/inspect", b'{"part_id": "not retained"}')
        plc.wait(lambda: any(b'"not retained"' in result for result in plc.on(f"{OURS}/result")))
        assert all(b'"retained"' not in result for result in plc.on(f"{OURS}/result"))
    agent.wait_for_log("retained commands are refused")


def test_no_agent_is_made_to_command_another_by_the_topic_of_its_reply(plant: Plant, agent: AgentProcess) -> None:
    """The broker refuses the reply; the agent must not lose its connection over it."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic = f"{OTHER}/command/inspect"
    with plant.client("line3-plc") as plc, plant.client("jetson-08") as other:
        plc.subscribe(f"{OURS}/#")
        other.subscribe("#")
        plc.publish(f"{OURS}/command/inspect", b'{"part_id": "through 07"}', properties=properties)
        plc.wait(lambda: any(b'"through 07"' in result for result in plc.on(f"{OURS}/result")))
        plc.publish(f"{OURS}/command/inspect", b'{"part_id": "still there"}')
        plc.wait(lambda: any(b'"still there"' in result for result in plc.on(f"{OURS}/result")))
        assert other.heard == []
        assert b"offline" not in b"".join(plc.on(f"{OURS}/status"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_the_agent_speaks_no_tls_older_than_1_2(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.minimum_version, server.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    ancient = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    ancient.set_ciphers("ALL:@SECLEVEL=0")
    ancient.minimum_version = ssl.TLSVersion.TLSv1
    with old_server(server) as port:
        plain = socket.create_connection(("localhost", port))
        with ancient.wrap_socket(plain, server_hostname="localhost") as stream:
            assert stream.version() == "TLSv1.1"  # so it is the version that the agent refuses
        settings = MqttSettings("a", "localhost", port, ca_file=tmp_path / "ca.pem")
        wake, other = socket.socketpair()
        with wake, other, pytest.raises(BrokerError, match="no TLS connection"):
            Connection(settings, "5", Will("a/b", ""), wake)
    assert tls_context(settings).minimum_version is ssl.TLSVersion.TLSv1_2


@contextmanager
def old_server(context: ssl.SSLContext) -> Iterator[int]:
    """Shakes hands with whoever comes; its port."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with accepted, suppress(OSError):
                context.wrap_socket(accepted, server_side=True).recv(1)

    with socket.create_server(("localhost", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
