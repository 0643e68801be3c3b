"""The precision of each layer is read from the inspector of any TensorRT from 10.3 to 11.4."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from build_engine.compilation.layers import parse_layers, read_layers, summary, table, write_layers


def inspected(kind: str, *types: str) -> str:
    tensors = [{"Name": f"t{number}", "Format/Datatype": text} for number, text in enumerate(types)]
    layer = {"Name": "conv1 + relu1", "LayerType": kind, "Inputs": tensors[:-1], "Outputs": tensors[-1:]}
    return json.dumps({"Layers": [layer | {"TacticName": "a", "Metadata": "[ONNX Layer: /conv1]\x1e[ONNX Layer: /r]"}]})


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("Int8", "int8"),
        ("Thirty-two wide channel vectorized row major Int8 format.", "int8"),
        ("Half", "fp16"),
        ("Channel major FP16 format where channel % 8 == 0", "fp16"),
        ("Row major linear FP32", "fp32"),
        ("Float", "fp32"),
        ("UInt8", "other"),
        ("Int32", "other"),
        ("", "other"),
    ],
)
def test_both_ways_in_which_tensorrt_names_a_type_are_understood(text: str, precision: str) -> None:
    (layer,) = parse_layers(inspected("CaskConvolution", text, "Float"))
    assert (layer.precision, layer.outputs, layer.nodes) == (precision, ("fp32",), ("/conv1", "/r"))
    assert layer.is_convolution


def test_a_layer_computes_in_the_narrowest_type_of_its_inputs() -> None:
    (layer,) = parse_layers(inspected("correlation", "Int8", "Float", "Half"))
    assert (layer.precision, layer.outputs) == ("int8", ("fp16",))
    assert summary([layer]) == "convolutions: 1 in int8; 0 other layers"


def test_a_plan_without_details_has_names_alone() -> None:
    (layer,) = parse_layers(json.dumps({"Layers": ["conv1 + relu1"]}))
    assert (layer.name, layer.precision) == ("conv1 + relu1", "other")
    assert summary([layer]) == "convolutions: none found; 1 other layers"


def test_layers_are_read_as_they_were_written(tmp_path: Path) -> None:
    layers = parse_layers(inspected("kgen", "Half", "Half"))
    write_layers(layers, tmp_path)
    assert read_layers(tmp_path) == layers
    assert table(layers).splitlines()[1].split() == ["fp16", "fp16", "fp16", "kgen", "conv1", "+", "relu1"]
    (tmp_path / "layers.json").write_text("[{}]")
    assert read_layers(tmp_path) == []
