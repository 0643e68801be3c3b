"""Training goes on from an exported file exactly where it was exported."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from build_engine.networks.similarity_contrast import PairNetwork, build_network
from build_engine.onnx_export import export
from build_engine.onnx_import import read_network, recentre
from edge_agent.engines.artifact import shipped_model
from edge_agent.errors import ModelError
from tests.support.models import write_difference_model

SIZE = (96, 160)


def trained(name: str = "compact", width: float = 0.25, norm: str = "batch") -> PairNetwork:
    """A network whose batch norms have seen something."""
    torch.manual_seed(3)
    network = build_network(name, width, norm)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 3)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return network.eval()


def write(network: PairNetwork, file: Path, name: str = "compact") -> Path:
    export(network, file, name=name, version="1", threshold=0.5, size=SIZE)
    return file


def pictures(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    template = torch.randint(0, 256, (4, *SIZE, 3), dtype=torch.uint8)
    test = template.clone()
    test[:, 20:40, 30:60] = 255
    return test, template


@pytest.mark.parametrize(("name", "norm"), [("compact", "batch"), ("compact", "instance"), ("paper", "batch")])
def test_a_network_read_back_says_the_same(tmp_path: Path, name: str, norm: str) -> None:
    network = trained(name, 0.125, norm)
    again, found = read_network(write(network, tmp_path / "model.onnx", name))
    assert (found, again.width, again.norm) == (name, 0.125, norm)
    with torch.no_grad():
        torch.testing.assert_close(again(*pictures()), network(*pictures()), rtol=1e-4, atol=1e-5)


def test_the_model_of_the_package_can_be_started_from() -> None:
    assert read_network(shipped_model())[1] == "compact"


def test_recentring_changes_nothing_but_lets_training_begin_where_the_network_stands(tmp_path: Path) -> None:
    network, _ = read_network(write(trained(), tmp_path / "model.onnx"))
    with torch.no_grad():
        before = network(*pictures())
        off = (copy.deepcopy(network).train()(*pictures()) - before).abs().max()
        recentre(network, [pictures()])
        torch.testing.assert_close(network(*pictures()), before, rtol=1e-4, atol=1e-4)
        near = (copy.deepcopy(network).train()(*pictures()) - before).abs().max()
    assert near < 0.01 < off


def test_weights_of_convolutions_come_back_to_their_usual_size(tmp_path: Path) -> None:
    network, _ = read_network(write(trained(), tmp_path / "model.onnx"))
    weight = network.get_parameter("stages.1.0.0.weight").detach()
    assert weight.square().mean(dim=(1, 2, 3)).sqrt() == pytest.approx(0.12)


def test_a_model_that_is_no_pair_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be trained on"):
        read_network(write_difference_model(tmp_path / "model.onnx"))


def test_a_file_whose_weights_were_changed_in_shape_is_refused(tmp_path: Path) -> None:
    file = write(trained(), tmp_path / "model.onnx")
    model = onnx.load(file)
    entry = next(entry for entry in model.metadata_props if entry.key == "width")
    entry.value = "0.5"
    onnx.save(model, file)
    with pytest.raises(ModelError, match="holds other weights than a compact"):
        read_network(file)


def test_a_file_that_computes_something_else_than_its_weights_say_is_refused(tmp_path: Path) -> None:
    file = write(trained(), tmp_path / "model.onnx")
    model = onnx.load(file)
    node = next(node for node in model.graph.node if node.op_type == "Sub")
    constant = next(n for n in model.graph.node if n.output[0] == node.input[1])
    constant.attribute[0].t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant.attribute[0].t) + 1))
    onnx.save(model, file)
    with pytest.raises(ModelError, match="says something else than its weights"):
        read_network(file)
