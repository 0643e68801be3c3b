"""What must be mended before the agent can start is one clear line and exit code 2, never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.agent import AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.listener import Listener


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"recipe": {"folder": "no-recipe"}}, "no-recipe/recipe.toml: cannot be read"),
        ({"engine": {"model": "no-model.onnx"}}, "no-model.onnx: cannot be read"),
        ({"engine": {"model": "recipe/template.png"}}, "template.png: is no model that ONNX Runtime can load"),
        ({"mqtt": {"prot": 1883}}, 'prot = 1883 is an unknown key; did you mean "port"?'),
        (
            {"results": {"folder": "agent.toml/results"}},
            "agent.toml/results/archive: cannot be written: Not a directory",
        ),
    ],
)
def test_wrong_configuration_is_one_clear_line(
    folder: AgentFolder, sections: dict[str, dict[str, object]], line: str
) -> None:
    folder.write_parts([False])
    tables = {name: table for name, table in sections.items() if name != "mqtt"}
    config = folder.write_config(**tables)
    for key, value in sections.get("mqtt", {}).items():
        config.write_text(config.read_text().replace("[mqtt]\n", f"[mqtt]\n{key} = {value}\n"))
    with AgentProcess(config) as agent:
        assert agent.wait() == 2
        assert line in agent.log
        assert "Traceback" not in agent.log


def test_a_second_agent_leaves_the_results_of_the_first_alone(folder: AgentFolder, broker: Broker) -> None:
    """A person tries out by hand what the service does already."""
    folder.write_parts([False])
    config = folder.write_config()
    with AgentProcess(config) as first, Listener(broker.port) as listener:
        first.wait_for_log("mqtt connected")
        second = subprocess.run(
            [sys.executable, "-m", "edge_agent.cli.main", "run", config], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert "results: another agent is at work here; stop it first" in second.stderr
        in_turn(listener, ["a"])
    assert listener.json_on("/result")[0]["verdict"] == "OK"
