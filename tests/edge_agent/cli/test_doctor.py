"""edge-agent doctor: what is there, what is broken, what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.cli.main import main
from tests.support.agent import AgentFolder
from tests.support.broker import Broker


def _lines(shown: str) -> dict[str, str]:
    """State of each subject: the last line about it."""
    return {line.split()[1]: line.split()[0] for line in shown.splitlines()}


def test_a_machine_where_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broker = Broker(tmp_path / "broker").start()
    try:
        folder = AgentFolder(tmp_path, broker.port)
        folder.write_parts([False])
        assert main(["doctor", str(folder.write_config())]) == 0
    finally:
        broker.stop()
    shown = capsys.readouterr().out
    assert {subject: state for subject, state in _lines(shown).items() if state == "ok"}.keys() >= {
        "matecheck",
        "engine",
        "recipe",
        "camera",
        "broker",
        "disk",
    }
    assert "accepts us, MQTT 5" in shown


def test_what_is_broken_is_named_and_the_rest_is_examined_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = AgentFolder(tmp_path, port=1)
    assert main(["doctor", str(folder.write_config(engine={"model": "none.onnx"}))]) == 2
    shown = capsys.readouterr().out
    states = _lines(shown)
    assert {states[subject] for subject in ("engine", "camera", "broker")} == {"broken"}
    assert states["recipe"] == "ok"
    assert "check host, port and whether the broker runs" in shown


def test_a_broker_that_refuses_us_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broker = Broker(tmp_path / "broker", password="right").start()
    (tmp_path / "password").write_text("wrong\n")
    try:
        folder = AgentFolder(tmp_path, broker.port)
        folder.write_parts([False])
        config = folder.write_config(mqtt={"username": "agent", "password_file": "password"})
        assert main(["doctor", str(config)]) == 2
    finally:
        broker.stop()
    shown = capsys.readouterr().out
    assert "broken  broker" in shown
    assert "check username, password_file" in shown
    assert "wrong" not in shown
