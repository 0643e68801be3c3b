"""What only a device can show. `make test-jetson` runs it there and prints what it has measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.engines import load_engine
from edge_agent.engines.artifact import shipped_model
from edge_agent.engines.engine import Engine
from edge_agent.engines.manifest import MODEL, Manifest

REPORT: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in ("tensorrt", "pycuda") if not find_spec(name)]
    for item in items:
        if "jetson" in item.keywords and missing:
            item.add_marker(pytest.mark.skip(reason=f"NOT RUN: a device is needed, here is no {missing[0]}"))


@pytest.fixture(scope="session", params=["fp32", "fp16"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine compiled on this device, of the shipped model."""
    from build_engine.tensorrt_compile import compile  # noqa: A004

    folder = tmp_path_factory.mktemp("store") / request.param
    folder.mkdir()
    model = shipped_model()
    if request.param == "fp16":
        pytest.importorskip("onnx", reason="NOT RUN: the conversion to FP16 needs onnx, pip install onnx")
        from build_engine.precision import to_fp16

        to_fp16(shipped_model(), folder / MODEL)
        model = folder / MODEL
    manifest: Manifest = compile(model, folder)
    device = f"{manifest.device} ({manifest.compute_capability})"
    driver = f"CUDA {manifest.cuda}, driver {manifest.driver}"
    REPORT.append(f"{manifest.precision} compiled for {device}, TensorRT {manifest.tensorrt}, {driver}")
    return folder


@pytest.fixture
def reference() -> Iterator[Engine]:
    with closing(load_engine(shipped_model(), "onnxruntime")) as engine:
        yield engine


def plan(folder: Path, memory: Literal["auto", "mapped", "copied"] = "auto") -> Engine:
    from edge_agent.engines.plan import read_artifact
    from edge_agent.engines.tensorrt import TensorRtEngine

    return TensorRtEngine(read_artifact(folder), memory, owner=os.getuid())


def tiles(engine: Engine, count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Smooth templates, and tests with a bright and a dark object on each."""
    rng = np.random.default_rng(seed)
    shape = (count, engine.info.height // 16, engine.info.width // 16, 3)
    template = rng.integers(0, 256, shape, dtype=np.uint8).repeat(16, axis=1).repeat(16, axis=2)
    test = template.copy()
    test[:, 40:60, 100:160], test[:, 200:210, 300:340] = 255, 0
    return test, template


@pytest.fixture
def report(request: pytest.FixtureRequest) -> list[str]:
    """Lines of a test for the summary at the end."""
    return REPORT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORT:
        terminalreporter.section("measured on this device")
        for line in REPORT:
            terminalreporter.line(line)
