from dataclasses import replace
from pathlib import Path

import pytest

from calibration.cli.main import main
from edge_agent.engines.manifest import GateRecord
from edge_agent.engines.store import EngineStore
from tests.support.agent import AgentFolder
from tests.support.artifacts import write_artifact


def test_without_a_name_the_engine_before_is_never_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = EngineStore(tmp_path / "engines")
    config = AgentFolder(tmp_path, port=1).write_config(engine={"store": "engines"})
    for name in ("before", "new"):
        with store.staged(name) as folder:
            replace(write_artifact(folder), gate=GateRecord(True, "agrees")).write(folder)
    store.activate("before")
    assert main(["activate", str(config)]) == 0
    assert store.current() == store.folder / "new"
    assert main(["activate", str(config)]) == 2
    assert "holds no new engine that passed the gate" in capsys.readouterr().err
    assert store.current() == store.folder / "new"
    assert main(["activate", str(config), "before"]) == 0
    assert store.current() == store.folder / "before"
