"""The engine on a real GPU: the same scores, in any batch, from either memory, without a leak."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from build_engine.compilation.layers import read_layers, summary
from edge_agent.engines.engine import Engine
from edge_agent.engines.manifest import PLAN, Manifest
from edge_agent.errors import PlanError
from tests.jetson.conftest import plan, tiles

pytestmark = pytest.mark.jetson

GAP_MEAN, CHANGED = 0.005, 0.001  # of the scores; share of pixels that change sides at the threshold
GROWTH_BYTES = 8 << 20


def median_ms(engine: Engine, count: int, turns: int = 20) -> float:
    test, template = tiles(engine, count)
    times = []
    for _ in range(turns + 3):
        began = time.perf_counter()
        engine.infer(test, template)
        times.append((time.perf_counter() - began) * 1e3)
    return float(np.median(times[3:]))


def test_the_gpu_says_what_the_cpu_says(artifact: Path, reference: Engine, report: list[str]) -> None:
    with closing(plan(artifact)) as engine:
        test, template = tiles(engine, 8)
        expected, found = reference.infer(test, template), engine.infer(test, template)
    gap, threshold = np.abs(found - expected), reference.info.threshold
    changed = float(((found >= threshold) != (expected >= threshold)).mean())
    report.append(
        f"scores against ONNX Runtime: {gap.mean():.5f} apart on average, {gap.max():.4f} at most; "
        f"{changed:.3%} of the pixels change sides"
    )
    assert gap.mean() < GAP_MEAN
    assert changed < CHANGED


def test_every_convolution_got_the_precision_of_the_graph(artifact: Path, report: list[str]) -> None:
    layers = read_layers(artifact)
    report.append(summary(layers))
    convolutions = [layer for layer in layers if layer.is_convolution]
    wanted = Manifest.read(artifact).precision
    assert convolutions
    assert {layer.precision for layer in convolutions} <= {wanted, "fp32"}
    assert sum(layer.precision == wanted for layer in convolutions) > len(convolutions) / 2


@pytest.mark.parametrize("memory", ["mapped", "copied"])
def test_no_batch_and_no_memory_changes_a_score(artifact: Path, memory: str) -> None:
    with closing(plan(artifact, memory)) as engine:  # type: ignore[arg-type]
        test, template = tiles(engine, 21, seed=1)
        whole = engine.infer(test, template)
        for number in range(len(test)):
            one = engine.infer(test[number : number + 1], template[number : number + 1])
            assert np.abs(one - whole[number]).mean() < GAP_MEAN / 10, number


def test_either_memory_and_the_overlap_are_timed(artifact: Path, report: list[str]) -> None:
    for memory in ("mapped", "copied"):
        with closing(plan(artifact, memory)) as engine:  # type: ignore[arg-type]
            figures = [f"{count} tiles {median_ms(engine, count):.1f} ms" for count in (1, 4, 8, 16)]
            report.append(f"{memory} memory: {', '.join(figures)}")
    with closing(plan(artifact)) as engine:
        report.append(f"taken: {engine.memory} memory")  # type: ignore[attr-defined]


def test_a_thousand_inferences_leave_the_memory_as_it_was(artifact: Path, report: list[str]) -> None:
    import pycuda.driver as cuda

    with closing(plan(artifact)) as engine:
        test, template = tiles(engine, 9)
        engine.infer(test, template)
        with engine._gpu.current():  # type: ignore[attr-defined]
            before = cuda.mem_get_info()[0]
        for _ in range(1000):
            engine.infer(test, template)
        with engine._gpu.current():  # type: ignore[attr-defined]
            lost = before - cuda.mem_get_info()[0]
    report.append(f"1,000 inferences of 9 tiles: {lost >> 20} MB of memory gone")
    assert lost < GROWTH_BYTES


def test_engines_come_and_go_in_one_process(artifact: Path) -> None:
    for _ in range(10):
        with closing(plan(artifact)) as engine, closing(plan(artifact)) as beside:
            test, template = tiles(engine, 1)
            np.testing.assert_array_equal(engine.infer(test, template), beside.infer(test, template))


def test_a_plan_of_another_tensorrt_and_a_changed_one_are_refused(artifact: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(artifact, tmp_path / "engine")
    manifest = Manifest.read(copy)
    replace(manifest, tensorrt="8.0.0").write(copy)
    with pytest.raises(PlanError, match=r"TensorRT was 8\.0\.0"):
        plan(copy)
    manifest.write(copy)
    (copy / PLAN).write_bytes((copy / PLAN).read_bytes()[:-1] + b"\0")
    with pytest.raises(PlanError, match="not the file that the manifest was written for"):
        plan(copy)
