"""Where only a new process can help, this one ends, and says what was wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import waiting_camera
from tests.support.agent import AgentFolder, AgentProcess, trigger
from tests.support.broker import Broker
from tests.support.listener import Listener


def test_a_driver_that_crashes_again_and_again_ends_the_process_and_the_part_has_its_error(
    folder: AgentFolder, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_parts([False])
    config = folder.write_config(health={"restarts": 1, "memory_mb": 1})
    monkeypatch.setenv(waiting_camera.VARIABLE, str(tmp_path / "now"))
    with Listener(broker.port) as listener, AgentProcess(config, [waiting_camera.__name__]) as agent:
        listener.wait(lambda: [r["code"] for r in listener.json_on("/status")[-1]["reasons"]] == ["memory"])
        trigger(listener, "a")
        listener.wait(lambda: listener.json_on("/reply/inspect")[-1]["accepted"])
        (tmp_path / "now").write_text(waiting_camera.CRASH, encoding="ascii")
        assert agent.wait() == 3
        listener.wait(lambda: listener.on("/result"))
        listener.wait(lambda: listener.json_on("/status")[-1]["state"] == "stopped")
    assert "worker-restarts worker=capture" in agent.log
    why = "capture failed 2 times within 10 minutes: a bug in the driver"
    assert f'process-must-restart why="{why}"' in agent.log
    assert listener.json_on("/status")[-1]["why"] == why
    (result,) = listener.json_on("/result")
    assert (result["part_id"], result["verdict"]) == ("a", "ERROR")
    assert any(
        reason["code"] == "worker" for status in listener.json_on("/status") for reason in status.get("reasons", [])
    )
