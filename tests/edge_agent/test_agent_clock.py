"""A device that wakes up in 1970: it inspects, says so, and talks to the broker as soon as its clock is set."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
import trustme

from tests.support.agent import AgentFolder, AgentProcess
from tests.support.broker import Broker, free_port
from tests.support.listener import Listener

PATIENCE_S = 90.0  # a busy machine
LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


@pytest.fixture
def tls_broker(tmp_path: Path) -> Broker:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "broker.pem")
    (tmp_path / "tls").mkdir()
    files = {"cafile": tmp_path / "ca.pem", "certfile": tmp_path / "broker.pem", "keyfile": tmp_path / "broker.pem"}
    return Broker(tmp_path / "tls", tls=files)


@pytest.mark.skipif(LIBRARY is None, reason="1970 was NOT tested: sudo apt-get install faketime")
def test_in_1970_the_clock_is_the_reason_and_when_it_is_set_all_results_follow_in_order(
    tmp_path: Path, tls_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_port = free_port()
    tls_broker.extra = (f"listener {plain_port} 127.0.0.1", "allow_anonymous true")
    tls_broker.start()
    (tmp_path / "agent").mkdir()
    folder = AgentFolder(tmp_path / "agent", tls_broker.port)
    folder.write_parts([False])
    config = folder.write_config(
        trigger={"mode": "free-run", "interval_s": 0.2},
        mqtt={"host": "localhost", "ca_file": tmp_path / "ca.pem", "reconnect_max_s": 3600, "reconnect_min_s": 3600},
    )
    clock = tmp_path / "clock"
    clock.write_text("@1970-01-02 00:00:00\n")
    try:
        with Listener(plain_port) as listener:
            with monkeypatch.context() as fake:
                fake.setenv("LD_PRELOAD", str(LIBRARY))
                fake.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
                fake.setenv("FAKETIME_NO_CACHE", "1")
                fake.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                agent = AgentProcess(config)
            with agent:
                agent.wait_for_log("not yet valid, by the clock of this device, which is wrong", PATIENCE_S)
                assert "set the clock, which says 1970-01-02" in agent.log
                agent.wait_for_log("the clock is wrong, it says 1970", PATIENCE_S)
                assert "status state=degraded" in agent.log
                agent.wait_for_log("result seq=3", PATIENCE_S)
                assert not listener.on("/result")
                clock.write_text("+0\n")  # an hour before the next attempt to connect
                agent.wait_for_log("mqtt connected", PATIENCE_S)
                listener.wait(lambda: len(listener.on("/result")) >= 5, PATIENCE_S)
                listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "online", PATIENCE_S)
                clock.write_text("@1980-01-01 00:00:00\n")  # and back again
                listener.wait(lambda: listener.json_on("/result")[-1]["captured_at"].startswith("1980"), PATIENCE_S)
                agent.stop()
    finally:
        tls_broker.stop()
    results = listener.json_on("/result")
    assert [result["seq"] for result in results] == list(range(1, len(results) + 1))
    ids = [result["id"] for result in results]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    in_1970 = [result for result in results if result["captured_at"].startswith("1970")]
    assert in_1970
    assert not any(result["clock_synced"] for result in in_1970)
    this_year = str(datetime.now(timezone.utc).year)
    assert any(result["captured_at"].startswith(this_year) for result in results)
