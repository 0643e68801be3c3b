"""Our build on NVIDIA's own parser and compiler, in a process of its own: TensorRT-RTX stands for TensorRT.

It needs no GPU. It is another product than a Jetson's TensorRT, and takes no uint8 inputs: they become float first.
usage: python -m tests.support.gpu.nvidia_build MODEL FOLDER; writes plan.engine and timing-cache, prints the progress
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import onnx
import tensorrt_rtx

sys.modules["tensorrt"] = tensorrt_rtx

from build_engine.compilation.bar import Fraction  # noqa: E402 - after its TensorRT is there
from build_engine.compilation.builder import build_plan  # noqa: E402
from build_engine.compilation.options import BuildOptions  # noqa: E402
from edge_agent.engines.tensorrt_log import TensorRtLog  # noqa: E402


def main() -> None:
    model, folder = onnx.load(sys.argv[1]), Path(sys.argv[2])
    for tensor in model.graph.input:
        tensor.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    fraction = Fraction()
    plan = build_plan(
        model.SerializeToString(),
        BuildOptions(workspace_mb=256),
        TensorRtLog(),
        timing_cache=folder / "timing-cache",
        told=lambda *message: print(round(fraction.add(*message), 4)),
        stop=threading.Event(),
    )
    (folder / "plan.engine").write_bytes(plan)


if __name__ == "__main__":
    main()
