"""From the trigger of a PLC to the result in SCADA: real broker, real process, simulated connector."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_agent.cameras.simulated import SimulatedCamera
from edge_agent.inspection.recipe import Limits, Recipe
from tests.support.agent import AgentFolder, AgentProcess, trigger
from tests.support.broker import Broker
from tests.support.listener import Listener

PARTS = 200
CAMERA = {"connector": "dsub9", "seed": 7, "share": 0.4}
SIZE = (600, 400)


def test_200_triggers_are_200_results_each_once_in_order_with_the_right_verdict(tmp_path: Path, broker: Broker) -> None:
    camera = SimulatedCamera(size=SIZE, **CAMERA)  # type: ignore[arg-type]
    truth = ["NG" if camera.part(number)[1].kind else "OK" for number in range(PARTS)]
    region = tuple(camera.region())
    recipe = Recipe("dsub9", "1", camera.template(), region, camera.mm_per_px, Limits(min_length_px=6), (1.0,))
    (tmp_path / "agent").mkdir()
    folder = AgentFolder(tmp_path / "agent", broker.port, recipe, gain=7.0)
    simulated = CAMERA | {"kind": "simulated", "source": None, "loop": None, "width_px": SIZE[0], "height_px": SIZE[1]}
    part_ids = [f"SN-{number:04d}" for number in range(PARTS)]

    with AgentProcess(folder.write_config(camera=simulated)) as agent, Listener(broker.port) as listener:
        agent.wait_for_log("mqtt connected")
        waiting = list(part_ids)
        while waiting:  # never more at once than the queue takes
            batch, waiting = waiting[:10], waiting[10:]
            for part_id in batch:
                trigger(listener, part_id)
            listener.wait(lambda: len(listener.on("/result")) + len(waiting) >= PARTS)  # noqa: B023
        listener.wait(lambda: len(listener.on("/thumbnail")) == len(listener.on("/reply/inspect")) == PARTS)
        assert agent.stop() == 0

    results = listener.json_on("/result")
    assert [result["part_id"] for result in results] == part_ids
    assert [result["seq"] for result in results] == list(range(1, PARTS + 1))
    assert len({result["id"] for result in results}) == PARTS
    assert [reply["id"] for reply in listener.json_on("/reply/inspect")] == [result["id"] for result in results]
    assert [result["verdict"] for result in results] == truth
    thumbnails = [cv2.imdecode(np.frombuffer(m.payload, np.uint8), cv2.IMREAD_COLOR) for m in listener.on("/thumbnail")]
    assert len(thumbnails) == PARTS
    assert all(thumbnail is not None for thumbnail in thumbnails)
    of_results = [dict(m.properties.UserProperty)["id"] for m in listener.on("/thumbnail")]  # type: ignore[union-attr]
    assert of_results == [result["id"] for result in results]
