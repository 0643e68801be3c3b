"""edge-agent check-config: all that is wrong, each with its line; exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.cli.main import main
from tests.support.agent import AgentFolder


@pytest.fixture
def agent(tmp_path: Path) -> AgentFolder:
    folder = AgentFolder(tmp_path, port=1883)
    folder.write_parts([False])
    return folder


def test_a_good_file_is_summed_up(agent: AgentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(agent.write_config())]) == 0
    shown = capsys.readouterr().out
    assert "agent.toml: no errors" in shown
    assert "made-up, version 3" in shown
    assert "difference 1 on onnxruntime" in shown


@pytest.mark.parametrize(
    ("changes", "exposed"),
    [({"host": "broker.plant1"}, True), ({}, False), ({"host": "broker.plant1", "tls": True}, False)],
)
def test_a_password_that_others_can_listen_to_is_named(
    agent: AgentFolder, capsys: pytest.CaptureFixture[str], changes: dict[str, object], exposed: bool
) -> None:
    (agent.folder / "secret").write_text("secret\n")
    config = agent.write_config(mqtt={"username": "agent", "password_file": "secret"} | changes)
    assert main(["check-config", str(config)]) == 0
    assert ("NOT ENCRYPTED, anybody on the network can read the password" in capsys.readouterr().out) == exposed


@pytest.mark.parametrize(
    ("section", "changes", "told"),
    [
        ("camera", {"source": "nowhere"}, "source: {folder}/nowhere: there is no such file or folder; mend the path"),
        ("recipe", {"folder": "none"}, "folder: {folder}/none/recipe.toml: cannot be read"),
        ("engine", {"model": "agent.toml"}, "model: {folder}/agent.toml: is no model"),
        (
            "mqtt",
            {"username": "agent", "password_file": "secret"},
            "password_file: {folder}/secret: password_file cannot",
        ),
        ("mqtt", {"ca_file": "agent.toml"}, "ca_file: {folder}/agent.toml: cannot be used for TLS"),
        (
            "mqtt",
            {"key_file": "agent.toml", "cert_file": "c"},
            "cert_file: {folder}/c: cannot be used for TLS (No such",
        ),
        ("mqtt", {"cert_file": "agent.toml", "key_file": "k"}, "key_file: {folder}/k: cannot be used for TLS (No such"),
        ("results", {"folder": "agent.toml"}, "folder: {folder}/agent.toml: this user cannot write there"),
        ("trigger", {"mode": "folder"}, 'mode = "folder" needs a camera of kind "folder" that does not loop'),
    ],
)
def test_what_is_wrong_is_told_with_the_line_of_its_key(
    agent: AgentFolder,
    capsys: pytest.CaptureFixture[str],
    section: str,
    changes: dict[str, object],
    told: str,
) -> None:
    config = agent.write_config(**{section: changes})
    assert main(["check-config", str(config)]) == 2
    first, count = capsys.readouterr().err.splitlines()
    key, value = list(changes.items())[-1]
    line = config.read_text().splitlines().index(f'{key} = "{value}"') + 1
    assert first.startswith(f"{config}:{line}: " + told.format(folder=agent.folder))
    assert count == f"{config}: 1 error"


def test_all_that_is_wrong_is_told_at_once(agent: AgentFolder, capsys: pytest.CaptureFixture[str]) -> None:
    config = agent.write_config(recipe={"folder": "none"}, engine={"model": "none.onnx"}, camera={"source": "none"})
    assert main(["check-config", str(config)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{config}: 3 errors"


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path / "no.toml")]) == 2
    assert (
        capsys.readouterr().err
        == f"edge-agent: {tmp_path}/no.toml: there is no such file; give the path of an agent.toml\n"
    )


def test_tensorrt_without_a_compiled_engine_is_refused_with_the_command_that_makes_one(
    agent: AgentFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", str(agent.write_config(engine={"backend": "tensorrt"}))]) == 2
    told = capsys.readouterr().err.splitlines()[0]
    assert "TensorRT runs a compiled engine, not an ONNX model" in told
    assert f"sudo build-engine compile {agent.folder / 'difference.onnx'}" in told
