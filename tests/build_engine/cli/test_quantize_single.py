"""build-engine quantize on networks that judge one picture, from good pictures to a model that the agent loads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from build_engine.cli.main import main
from build_engine.datasets.one_class import good_pictures
from build_engine.networks.backbones import build_backbone
from build_engine.networks.cnn_gan import CnnGan
from build_engine.networks.feature_fusion import FeatureFusion
from build_engine.networks.similarity_contrast import build_network
from build_engine.networks.single import SingleNetwork
from build_engine.onnx_export import export
from build_engine.precision import lint
from build_engine.single_export import export_single
from edge_agent.engines import load_engine
from tests.support.one_class import write_mnist, write_mvtec

CONVOLUTIONS = ("Conv", "ConvTranspose")
QUICK = ("--float-share", "0", "--method", "minmax", "--threads", "1", "--tiles", "6")
TOLERANCE = {"fp16": 0.02, "int8+fp16": 0.1}  # of scores of networks that were not trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of each network, not trained, with pictures for both."""
    folder = tmp_path_factory.mktemp("single")
    torch.manual_seed(0)
    networks: list[SingleNetwork] = [CnnGan(width=8, encoder_width=8)]
    networks.append(FeatureFusion(build_backbone("efficientnet-lite0"), 16))
    for network in networks:
        export_single(network, folder / f"{network.name}.onnx", version="1", threshold=0.5)
    write_mnist(folder / "mnist.npz")
    write_mvtec(folder / "ring", good=6)
    return folder


@pytest.mark.parametrize("precision", ["fp16", "int8+fp16"])
@pytest.mark.parametrize(
    ("name", "source", "normal", "size"),
    [("cnn-gan", "mnist.npz", 1, 28), ("feature-fusion", "ring", None, 256)],
)
def test_a_quantised_model_says_nearly_the_same_and_passes_the_lint(
    folder: Path, name: str, source: str, normal: int | None, size: int, precision: str
) -> None:
    model, output = folder / f"{name}.onnx", folder / f"{name}-{precision}.onnx"
    command = ["quantize", "--model", str(model), "--output", str(output), "--precision", precision]
    digit = [] if normal is None else ["--normal", str(normal)]
    data = [] if precision == "fp16" else ["--one-class", str(folder / source), *digit, *QUICK]
    assert main([*command, *data]) == 0
    graph = onnx.load(output)
    assert lint(graph) == []
    makers = {name: node.op_type for node in graph.graph.node for name in node.output}
    reads = {kind: [makers.get(n.input[0]) for n in graph.graph.node if n.op_type == kind] for kind in CONVOLUTIONS}
    assert all((maker == "DequantizeLinear") == (precision != "fp16") for maker in reads["Conv"])
    assert "DequantizeLinear" not in reads["ConvTranspose"]
    assert bool(reads["ConvTranspose"]) == (name == "cnn-gan")
    pictures = good_pictures(folder / source, (size, size), normal)[:4]
    scores = []
    for file in (model, output):
        engine = load_engine(file, threads=1)
        assert engine.info.kind == "single"
        scores.append(engine.infer(pictures, pictures))
        engine.close()
    assert np.abs(scores[0] - scores[1]).max() < TOLERANCE[precision]


def test_pairs_for_a_network_of_one_picture_and_the_reverse_are_refused_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair, ring = folder / "pair.onnx", str(folder / "ring")
    export(build_network("compact", 0.2), pair, name="compact", version="1", threshold=0.3, size=(96, 160))
    for model, source, said in (
        (folder / "cnn-gan.onnx", "--photographs", "judges one picture"),
        (pair, "--one-class", "compares with a template"),
    ):
        capsys.readouterr()
        assert main(["quantize", "--model", str(model), "--output", str(folder / "no.onnx"), source, ring]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not (folder / "no.onnx").exists()
