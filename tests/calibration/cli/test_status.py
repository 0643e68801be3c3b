from dataclasses import replace
from pathlib import Path

import pytest

from calibration.cli.main import main
from edge_agent.engines.store import EngineStore
from edge_agent.inspection.recipe import Limits
from tests.support.agent import MADE_UP, AgentFolder
from tests.support.artifacts import write_artifact


def test_status_says_what_judges_and_by_which_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = replace(MADE_UP, limits=Limits(threshold=0.3, min_length_mm=0.25))
    config = AgentFolder(tmp_path, port=1, recipe=recipe).write_config()
    assert main(["status", str(config)]) == 0
    shown = capsys.readouterr().out
    for fact in ("difference 1, fp32 on onnxruntime", "0.05 mm per pixel", "0.3 (recipe)", "objects 0.25 mm long"):
        assert fact in shown


def test_an_unknown_scale_is_said_with_its_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = AgentFolder(tmp_path, port=1, recipe=replace(MADE_UP, mm_per_px=None)).write_config()
    assert main(["status", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "calibrate scale measures it and writes mm_per_px" in shown
    assert "0.5 (the model's own)" in shown
    assert "objects 12 px long" in shown


def test_a_missing_config_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path / "none.toml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_engine_of_another_model_than_that_of_the_agent_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = EngineStore(tmp_path / "engines")
    config = AgentFolder(tmp_path, port=1).write_config(engine={"store": "engines"})
    with store.staged("old") as folder:
        replace(write_artifact(folder), version="0").write(folder)
    store.activate("old")
    assert main(["status", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "made of difference 0, the model is difference 1 by now: calibrate int8 makes it anew" in shown
    assert "was never compared with FP32 on this line" in shown
