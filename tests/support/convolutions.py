"""A tiny model with real convolutions, to be quantised in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

METADATA = {"network": "convolutions", "version": "1", "kind": "pair", "threshold": "0.5", "weights_sha256": "0" * 64}


def write_convolution_model(path: Path, *, height: int = 256, width: int = 320, gain: float = 6.0) -> Path:
    """A model whose score is clip(gain · mean blurred |test − template| / 255 − 0.5, 0, 1), by three convolutions."""
    box = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        box[channel, channel] = 1 / 9
    constants = {
        "scale": np.float32(1 / 255),
        "box": box,
        "sum": np.full((1, 3, 3, 3), gain / 27, np.float32),
        "keep": np.pad(np.ones((1, 1, 1, 1), np.float32), ((0, 0), (0, 0), (1, 1), (1, 1))),
        "offset": np.float32(0.5),
        "low": np.float32(0),
        "high": np.float32(1),
        "channel": np.array([1], np.int64),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["test"], ["test_f"], to=TensorProto.FLOAT),
            node("Cast", ["template"], ["template_f"], to=TensorProto.FLOAT),
            node("Sub", ["test_f", "template_f"], ["signed"]),
            node("Abs", ["signed"], ["difference"]),
            node("Mul", ["difference", "scale"], ["scaled"]),
            node("Transpose", ["scaled"], ["nchw"], perm=[0, 3, 1, 2]),
            node("Conv", ["nchw", "box"], ["blurred"], name="blur", kernel_shape=[3, 3], pads=[1] * 4),
            node("Relu", ["blurred"], ["positive"]),
            node("Conv", ["positive", "sum"], ["summed"], name="sum", kernel_shape=[3, 3], pads=[1] * 4),
            node("Conv", ["summed", "keep"], ["kept"], name="keep", kernel_shape=[3, 3], pads=[1] * 4),
            node("Sub", ["kept", "offset"], ["shifted"]),
            node("Clip", ["shifted", "low", "high"], ["clipped"]),
            node("Squeeze", ["clipped", "channel"], ["score"]),
        ],
        "convolutions",
        [
            helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", height, width, 3])
            for name in ("test", "template")
        ],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", height, width])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
