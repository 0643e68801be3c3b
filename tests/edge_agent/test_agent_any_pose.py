"""An agent whose network judges one picture alone: the same data path, verdicts and heat maps over MQTT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from build_engine.networks.backbones import build_backbone
from build_engine.networks.cnn_gan import CnnGan
from build_engine.networks.feature_fusion import FeatureFusion
from build_engine.single_export import export_single
from edge_agent.cameras.simulated import SimulatedCamera
from tests.support.agent import MADE_UP, AgentFolder, AgentProcess, in_turn
from tests.support.broker import Broker
from tests.support.listener import Listener
from tests.support.models import write_bright_model

ENGINE = {"model": "bright.onnx", "threads": 1}


@pytest.fixture
def any_pose(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> AgentFolder:
    recipe = replace(MADE_UP, register=False)
    folder = AgentFolder(tmp_path_factory.mktemp("any-pose"), broker.port, recipe)
    write_bright_model(folder.folder / "bright.onnx", size=128)
    return folder


def turned(seed: int, anomaly: bool) -> np.ndarray:
    """The made-up part in a pose of its own, dull, with a bright spot or without."""
    template = MADE_UP.template
    height, width = template.shape[:2]
    angle = float(np.random.default_rng(seed).uniform(0, 360))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    image = cv2.warpAffine(template, matrix, (width, height), borderMode=cv2.BORDER_REFLECT) // 2
    if anomaly:
        cv2.circle(image, (200, 150), 14, (190, 190, 190), -1)
    return image


def test_parts_in_any_pose_are_judged_from_a_folder_with_verdicts_and_pictures_over_mqtt(
    any_pose: AgentFolder, broker: Broker
) -> None:
    anomalies = [number % 3 == 0 for number in range(6)]
    any_pose.parts.mkdir()
    for number, anomaly in enumerate(anomalies):
        cv2.imwrite(str(any_pose.parts / f"part_{number:03d}.png"), turned(number, anomaly))
    replace(any_pose.recipe, template=turned(99, False)).save(any_pose.folder / "recipe", overwrite=True)
    config = any_pose.write_config(trigger={"mode": "folder"}, camera={"loop": False}, engine=ENGINE)
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            assert agent.wait() == 0
        listener.wait(lambda: len(listener.on("/result")) == 6)
        listener.wait(lambda: len(listener.on("/thumbnail")) >= 1)
    results = listener.json_on("/result")
    assert [result["verdict"] for result in results] == ["NG" if anomaly else "OK" for anomaly in anomalies]
    assert all(result["components_total"] == int(anomaly) for result, anomaly in zip(results, anomalies, strict=True))
    assert results[0]["engine"]["name"] == "bright 1"


def test_parts_of_the_simulated_camera_are_judged_too(any_pose: AgentFolder, broker: Broker) -> None:
    camera = SimulatedCamera(connector="dsub9", seed=7, share=0.0, size=(600, 400))
    replace(any_pose.recipe, template=camera.template(), region=()).save(any_pose.folder / "recipe", overwrite=True)
    simulated = {"kind": "simulated", "connector": "dsub9", "seed": 7, "share": 0.0, "width_px": 600, "height_px": 400}
    config = any_pose.write_config(camera=simulated | {"source": None, "loop": None}, engine=ENGINE)
    with Listener(broker.port) as listener, AgentProcess(config) as agent:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a", "b"])
    results = listener.json_on("/result")
    assert [result["part_id"] for result in results] == ["a", "b"]
    assert {result["verdict"] for result in results} == {"NG"}  # its contacts shine, which this network calls anomalous


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both networks as `build-engine export` writes them, not trained."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    networks = (CnnGan(size=64, channels=3, width=8, encoder_width=8), fusion())
    for network in networks:
        export_single(network, folder / f"{network.name}.onnx", version="1", threshold=0.5)
    return folder


def fusion() -> FeatureFusion:
    network = FeatureFusion(build_backbone("efficientnet-lite0"), 16)
    network.calibrate_scores(0.0, 1.0)
    return network


@pytest.mark.parametrize("camera", ["folder", "simulated"])
@pytest.mark.parametrize("network", ["cnn-gan", "feature-fusion"])
def test_both_networks_send_verdicts_and_heat_maps_with_both_cameras(
    any_pose: AgentFolder, broker: Broker, exported: Path, network: str, camera: str
) -> None:
    if camera == "folder":
        any_pose.write_parts([False, True])
        chosen: dict[str, Any] = {"loop": True}
    else:
        simulated = SimulatedCamera(connector="dsub9", seed=7, share=0.0, size=(600, 400))
        replace(any_pose.recipe, template=simulated.template(), region=()).save(
            any_pose.folder / "recipe", overwrite=True
        )
        chosen = {"kind": "simulated", "connector": "dsub9", "seed": 7, "share": 0.0, "width_px": 600, "height_px": 400}
        chosen |= {"source": None, "loop": None}
    engine = {"model": str(exported / f"{network}.onnx"), "threads": 1}
    config = any_pose.write_config(camera=chosen, engine=engine, results={"thumbnail_heat": True})
    with Listener(broker.port) as listener, AgentProcess(config) as agent:
        agent.wait_for_log("mqtt connected")
        in_turn(listener, ["a", "b"])
        listener.wait(lambda: len(listener.on("/thumbnail")) == 2)
    results = listener.json_on("/result")
    assert [result["part_id"] for result in results] == ["a", "b"]
    assert all(result["verdict"] in {"OK", "NG"} for result in results)
    assert all(result["engine"]["name"] == f"{network} 1" for result in results)
    for message in listener.on("/thumbnail"):
        picture = cv2.imdecode(np.frombuffer(message.payload, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[1] <= 640


def test_a_network_for_pairs_with_such_a_recipe_gives_errors_that_say_why(
    any_pose: AgentFolder, broker: Broker
) -> None:
    any_pose.write_parts([False])
    config = any_pose.write_config(trigger={"mode": "folder"}, camera={"loop": False})
    with Listener(broker.port) as listener:
        with AgentProcess(config) as agent:
            assert agent.wait() == 0
        listener.wait(lambda: len(listener.on("/result")) == 1)
    result = listener.json_on("/result")[0]
    assert result["verdict"] == "ERROR"
    assert result["reasons"][0]["code"] == "wrong-model"
