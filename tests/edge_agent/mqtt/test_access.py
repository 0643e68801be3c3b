"""Getting in: versions of the protocol, passwords, certificates."""

import logging
import socket
import socketserver
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from edge_agent.mqtt.credentials import AccessError, tls_context
from edge_agent.mqtt.publisher import MqttPublisher
from edge_agent.mqtt.settings import MqttSettings
from edge_agent.results.outbox import Outbox
from tests.support.broker import Broker, free_port
from tests.support.listener import PATIENCE_S, Listener, wait_for
from tests.support.results import maker

Publish = Callable[..., MqttPublisher]


@contextmanager
def amqtt(port: int) -> Iterator[None]:
    """A broker that knows MQTT 3.1.1 only; killed at the end, since its own shutdown takes seconds."""
    script = """
        import asyncio, sys
        from amqtt.broker import Broker
        async def serve():
            await Broker({
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }).start()
            await asyncio.sleep(60)
        asyncio.run(serve())
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(port)], stderr=subprocess.PIPE
    ) as process:
        try:
            wait_for(lambda: listens(port))
            yield
        finally:
            process.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_broker_that_does_not_answer_to_mqtt_5_is_served_with_3_1_1(
    outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with amqtt(port), Listener(port, protocol="3.1.1", topic_filter="plant1/#") as listener:
        for _ in range(5):
            outbox.record(maker(), b"jpeg")
        publisher = publish(MqttSettings("plant1/jetson-07", "127.0.0.1", port, reconnect_min_s=0.1))
        assert publisher.drain(PATIENCE_S)
        listener.wait(lambda: len(listener.on("/result")) == 5 and listener.on("/thumbnail"))
        publisher.stop()
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "stopped")
    assert "no answer in MQTT 5; trying MQTT 3.1.1" in caplog.text


def test_a_broker_that_refuses_mqtt_5_is_served_with_3_1_1(publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    class OldBroker(socketserver.BaseRequestHandler):
        """Answers CONNECT as brokers before 2019 do, and then nothing."""

        def handle(self) -> None:
            version = self.request.recv(4096)[8]
            self.request.sendall(b"\x20\x02\x00\x00" if version == 4 else b"\x20\x02\x00\x01")
            if version == 4:
                while self.request.recv(4096):
                    pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldBroker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        publisher = publish(MqttSettings("plant1/jetson-07", "127.0.0.1", server.server_address[1]))
        wait_for(lambda: publisher.connected)
        publisher.stop()
        server.shutdown()
    assert "Unsupported protocol version; trying MQTT 3.1.1" in caplog.text


def test_3_1_1_can_be_asked_for(broker: Broker, outbox: Outbox, publish: Publish) -> None:
    outbox.record(maker())
    assert publish(broker.settings(protocol="3.1.1")).drain(PATIENCE_S)


def test_a_wrong_password_is_said_once_and_tried_again_until_it_is_right(
    tmp_path: Path, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path / "broker", password="right one").start()
    secret = tmp_path / "secret"
    secret.write_text("wrong one\n")
    outbox.record(maker())
    try:
        publisher = publish(broker.settings(username="agent", password_file=secret))
        with caplog.at_level(logging.WARNING):
            wait_for(lambda: "refuses us" in caplog.text)
            assert not publisher.drain(1)  # some attempts more
        refusals = [record.message for record in caplog.records if "refuses us" in record.message]
        assert len(refusals) == 1
        assert "Not authorized; check username, password_file" in refusals[0]
        assert "wrong one" not in caplog.text
        secret.write_text("right one\n")
        assert publisher.drain(PATIENCE_S)
        assert "right one" not in caplog.text
    finally:
        broker.stop()


@pytest.mark.parametrize("content", [None, "", "\xff"])
def test_a_password_file_that_cannot_be_read_is_a_clear_line(
    tmp_path: Path, broker: Broker, publish: Publish, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content.encode("latin-1"))
    publish(broker.settings(username="agent", password_file=secret))
    wait_for(lambda: "write the password in its first line" in caplog.text)
    assert str(secret) in caplog.text


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


@pytest.fixture
def tls_broker(tmp_path: Path, authority: trustme.CA) -> Iterator[Broker]:
    """A mosquitto that asks for a certificate of ours."""
    own = authority.issue_cert("localhost", "127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "broker.pem")
    files = {"cafile": tmp_path / "ca.pem", "certfile": tmp_path / "broker.pem", "keyfile": tmp_path / "broker.pem"}
    running = Broker(tmp_path / "broker", tls=files, extra=("require_certificate true",)).start()
    yield running
    running.stop()


def test_tls_with_certificates_of_both_sides(
    tmp_path: Path, authority: trustme.CA, tls_broker: Broker, outbox: Outbox, publish: Publish
) -> None:
    device = authority.issue_cert("jetson-07")
    device.private_key_pem.write_to_path(tmp_path / "key.pem")
    device.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    for _ in range(100):
        outbox.record(maker(), bytes(50_000))
    assert publish(tls_broker.settings(**files)).drain(PATIENCE_S)


def test_a_broker_with_a_certificate_of_a_stranger_is_refused(
    tmp_path: Path, tls_broker: Broker, outbox: Outbox, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    publisher = publish(tls_broker.settings(ca_file=tmp_path / "other.pem"))
    wait_for(lambda: "its certificate is refused" in caplog.text)
    assert "check ca_file and host" in caplog.text
    assert not publisher.connected


def test_a_certificate_file_that_cannot_be_read_is_a_clear_line(
    tmp_path: Path, broker: Broker, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish(broker.settings(ca_file=tmp_path / "missing.pem"))
    wait_for(lambda: "missing.pem: cannot be used for TLS" in caplog.text)


def test_a_certificate_and_a_key_that_do_not_belong_together_are_called_so(
    tmp_path: Path, authority: trustme.CA, broker: Broker
) -> None:
    authority.issue_cert("jetson-07").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.issue_cert("jetson-08").private_key_pem.write_to_path(tmp_path / "key.pem")
    settings = broker.settings(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")
    with pytest.raises(AccessError, match=r"/cert\.pem: does not belong to key_file; give the key of this very"):
        tls_context(settings)


def test_a_key_that_is_not_there_is_named_and_not_its_certificate(
    tmp_path: Path, authority: trustme.CA, broker: Broker
) -> None:
    authority.issue_cert("jetson-07").cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    settings = broker.settings(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "none.key")
    with pytest.raises(AccessError, match=r"/none\.key: cannot be used for TLS \(No such file or directory\); mend"):
        tls_context(settings)


def test_a_broker_that_wants_a_certificate_of_ours_is_told_with_the_keys_that_give_one(
    tmp_path: Path, tls_broker: Broker, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tls_broker.settings(ca_file=tmp_path / "ca.pem"))
    wait_for(lambda: "cert_file and key_file" in caplog.text)


@pytest.mark.parametrize("host", ["127.0.0.1", "no such host", "host..name"])
def test_a_broker_that_cannot_be_reached_is_one_line(
    host: str, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = publish(MqttSettings("a", host, free_port(), reconnect_min_s=0.05, reconnect_max_s=0.1))
    wait_for(lambda: "cannot be reached" in caplog.text)
    time.sleep(0.5)
    assert caplog.text.count("cannot be reached") == 1
    began = time.monotonic()
    publisher.stop()
    assert time.monotonic() - began < 30
