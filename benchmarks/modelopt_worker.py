"""The half of benchmarks.modelopt that runs in ModelOpt's own environment: it patches ONNX Runtime's quantiser."""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from modelopt.onnx.quantization import quantize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="float32")
    parser.add_argument("tiles", type=Path, help="npz of the inputs, by name")
    parser.add_argument("output", type=Path)
    parser.add_argument("--method", choices=("max", "entropy"), required=True)
    arguments = parser.parse_args()
    began = time.monotonic()
    with np.load(arguments.tiles) as tiles:
        quantize(
            str(arguments.model),
            quantize_mode="int8",
            calibration_data=dict(tiles),
            calibration_method=arguments.method,
            calibration_eps=["cpu"],
            high_precision_dtype="fp16",
            output_path=str(arguments.output),
            log_level="ERROR",
        )
    print(json.dumps({"version": version("nvidia-modelopt"), "minutes": (time.monotonic() - began) / 60}))


if __name__ == "__main__":
    main()
