"""A command of ours in a process with the fake GPU: python -m tests.support.gpu.process build-engine compile …

FAKE_CUDA_FAIL in the environment is what the driver is to fail at: function, call and code, as in "cuInit 1 100".
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

MAINS = {
    "build-engine": "build_engine.cli.main",
    "calibrate": "calibration.cli.main",
    "edge-agent": "edge_agent.cli.main",
}


def main() -> int:
    from tests.support.gpu import fake_tensorrt
    from tests.support.gpu.fake_cuda import FakeCuda

    with tempfile.TemporaryDirectory() as folder:
        driver = FakeCuda(Path(folder))
    fake_tensorrt.install(driver)
    if "FAKE_CUDA_FAIL" in os.environ:
        function, call, code = os.environ["FAKE_CUDA_FAIL"].split()
        driver.fail(function, int(call), int(code))
    program, *arguments = sys.argv[1:]
    return int(import_module(MAINS[program]).main(arguments))


if __name__ == "__main__":
    sys.exit(main())
