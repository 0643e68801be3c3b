"""The back end for TensorRT says what ONNX Runtime says, in whatever order a GPU does its work, and loses nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.engines import load_engine
from edge_agent.engines.engine import Engine
from edge_agent.engines.manifest import MODEL
from edge_agent.engines.plan import read_artifact
from edge_agent.errors import EngineError, PlanError
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from tests.support.compiled import HEIGHT, WIDTH, write_compiled
from tests.support.gpu.fake_cuda import LAUNCH_FAILED, OUT_OF_MEMORY, FakeCuda
from tests.support.models import write_difference_model
from tests.support.scenes import REGION, connector, motion, moved, noisy

Memory = Literal["mapped", "copied"]


@pytest.fixture
def artifact(cuda: FakeCuda, tmp_path: Path) -> Path:
    return write_compiled(tmp_path / "engine", plan_of(tmp_path))


@pytest.fixture(params=["mapped", "copied"])
def engine(artifact: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = load(artifact, request.param)
    yield engine
    engine.close()


def plan_of(folder: Path, height: int = HEIGHT, width: int = WIDTH, **behaviour: Any) -> bytes:
    from tests.support.gpu.fake_tensorrt import make_plan

    return make_plan(write_difference_model(folder / "m.onnx", height=height, width=width).read_bytes(), **behaviour)


def load(folder: Path, memory: Literal["auto", "mapped", "copied"] = "copied") -> Engine:
    from edge_agent.engines.tensorrt import TensorRtEngine

    return TensorRtEngine(read_artifact(folder), memory, owner=os.getuid())


def tiles(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 16, 17, 40])
def test_every_batch_gets_the_scores_of_onnx_runtime(engine: Engine, artifact: Path, n: int) -> None:
    test, template = tiles(n, 1), tiles(n, 2)
    expected = load_engine(artifact / MODEL).infer(test, template)
    np.testing.assert_array_equal(engine.infer(test, template), expected)


@pytest.mark.parametrize("memory", ["mapped", "copied"])
def test_no_order_in_which_the_streams_take_turns_changes_a_score(
    cuda: FakeCuda, artifact: Path, memory: Memory
) -> None:
    engine, reference = load(artifact, memory), load_engine(artifact / MODEL)
    for seed in range(1, 41):
        cuda.seed(seed)
        test, template = tiles(35, seed), tiles(35, seed + 100)
        np.testing.assert_array_equal(engine.infer(test, template), reference.infer(test, template))
    engine.close()


def test_the_next_tiles_are_copied_while_the_network_looks_at_these(cuda: FakeCuda, artifact: Path) -> None:
    engine = load(artifact)
    cuda.trace()
    engine.infer(tiles(16, 1), tiles(16, 2))
    given = [(what, stream) for what, stream, _ in cuda.trace() if what in {"copy-in", "call", "synchronise"}]
    first_wait = next(place for place, (what, _) in enumerate(given) if what == "synchronise")
    before = given[:first_wait]
    assert [what for what, _ in before] == ["copy-in", "copy-in", "call", "copy-in", "copy-in", "call"]
    streams = {stream for what, stream in before if what == "copy-in"}
    networks = {stream for what, stream in before if what == "call"}
    assert len(streams) == 2, "each slot copies on a stream of its own"
    assert len(networks) == 1, "one stream runs the network"
    assert not streams & networks, "no copy waits for the network of the other slot"
    engine.close()


def test_a_copy_of_the_second_slot_may_run_before_the_first_network_has(cuda: FakeCuda, artifact: Path) -> None:
    engine = load(artifact)
    overlapped = 0
    for seed in range(1, 21):
        cuda.seed(seed)
        cuda.trace()
        engine.infer(tiles(16, seed), tiles(16, seed + 100))
        done = [(what, size) for what, _, size in cuda.trace() if what in {"copied", "ran"}]
        first_network = done.index(("ran", 0))
        overlapped += sum(what == "copied" for what, _ in done[:first_network]) > 2
    assert overlapped
    engine.close()


def test_a_template_that_stays_is_not_copied_again(cuda: FakeCuda, artifact: Path) -> None:
    engine, template = load(artifact), tiles(5, 2)
    engine.infer(tiles(5, 1), template)
    before = cuda.count("bytes to device")
    engine.infer(tiles(5, 3), template.copy())
    assert cuda.count("bytes to device") - before == template.nbytes, "the test tiles alone"
    other = template.copy()
    other[4, HEIGHT - 1, WIDTH - 1, 2] ^= 1
    np.testing.assert_array_equal(engine.infer(other, other), load_engine(artifact / MODEL).infer(other, other))
    assert cuda.count("bytes to device") - before == 3 * template.nbytes
    engine.close()


def test_parts_that_lie_alike_upload_the_template_once_and_a_moved_part_again(cuda: FakeCuda, tmp_path: Path) -> None:
    height, width = 256, 320
    plan = plan_of(tmp_path, height, width)
    engine = load(write_compiled(tmp_path / "engine", plan, height=height, width=width))
    template = connector()
    inspector, recipe = Inspector(engine), Recipe("x", "1", template, REGION)
    here, elsewhere = noisy(template, 1), noisy(moved(template, motion(template, (3.3, 1.7))), 2)
    sent = []
    for image in (here, noisy(template, 3), elsewhere, noisy(template, 4), here):
        before = cuda.count("bytes to device")
        assert inspector.inspect(image, recipe).timing_ms.keys() >= {"inference"}
        sent.append((cuda.count("bytes to device") - before) / (height * width * 3))
    tiles_of_part = 2  # the region at full resolution and at half
    assert sent == [2 * tiles_of_part, tiles_of_part, 2 * tiles_of_part, 2 * tiles_of_part, tiles_of_part]
    engine.close()


def test_a_template_is_known_to_the_tile(engine: Engine, artifact: Path) -> None:
    reference = load_engine(artifact / MODEL)
    small, large = tiles(3, 1), tiles(8, 1)
    for test, template in ((small, small), (large, large), (small[::-1], small), (large, large[::-1])):
        np.testing.assert_array_equal(engine.infer(test, template), reference.infer(test, template))


def test_a_thousand_inferences_leave_nothing_behind(cuda: FakeCuda, artifact: Path) -> None:
    before = {what: cuda.count(what) for what in ("allocations", "streams", "events")}
    engine = load(artifact, "auto")
    engine.infer(tiles(9, 1), tiles(9, 2))
    during = {what: cuda.count(what) for what in before}
    for _ in range(1000):
        engine.infer(tiles(1, 1), tiles(1, 2))
        cuda.trace()
    assert {what: cuda.count(what) for what in before} == during
    assert cuda.count("pageable copies") == 0
    assert cuda.count("refused copies") == 0
    engine.close()
    engine.close()
    assert {what: cuda.count(what) for what in before} == before


def test_it_takes_the_memory_that_was_faster_here(cuda: FakeCuda, artifact: Path) -> None:
    engine = load(artifact, "auto")
    assert engine.memory in {"mapped", "copied"}  # type: ignore[attr-defined]
    engine.close()


def test_an_engine_with_a_fixed_batch_serves_fewer_tiles(cuda: FakeCuda, tmp_path: Path) -> None:
    artifact = write_compiled(tmp_path / "engine", plan_of(tmp_path, profile=(4, 4, 4)))
    engine, test, template = load(artifact), tiles(6, 1), tiles(6, 2)
    np.testing.assert_array_equal(engine.infer(test, template), load_engine(artifact / MODEL).infer(test, template))
    engine.close()


@pytest.mark.parametrize("memory", ["mapped", "copied"])
@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("cuEventRecord", LAUNCH_FAILED),
        ("cuEventSynchronize", LAUNCH_FAILED),
        ("cuStreamWaitEvent", OUT_OF_MEMORY),
        ("cuMemcpyHtoDAsync_v2", OUT_OF_MEMORY),
        ("cuMemcpyDtoHAsync_v2", LAUNCH_FAILED),
    ],
)
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_failure_while_it_runs_is_an_engine_error_and_can_be_closed(
    cuda: FakeCuda, artifact: Path, memory: Memory, function: str, code: int, call: int
) -> None:
    before = cuda.count("allocations")
    engine = load(artifact, memory)
    cuda.fail(function, call, code)
    if memory == "mapped" and "Memcpy" in function:
        engine.infer(tiles(20, 1), tiles(20, 2))  # there are no copies that could fail
    else:
        with pytest.raises(EngineError, match=r"out of memory|CUDA failed"):
            engine.infer(tiles(20, 1), tiles(20, 2))
    engine.close()
    assert cuda.count("allocations") == before
    cuda.mend()
    again = load(artifact, memory)
    assert again.infer(tiles(3, 1), tiles(3, 2)).shape == (3, HEIGHT, WIDTH)
    again.close()


def test_after_a_failure_that_passes_the_next_batch_is_right(cuda: FakeCuda, artifact: Path) -> None:
    engine, reference = load(artifact), load_engine(artifact / MODEL)
    for call in range(1, 7):  # a tile and a template for each of three chunks
        test, template = tiles(20, call), tiles(20, 50)
        cuda.fail("cuMemcpyHtoDAsync_v2", call)
        with pytest.raises(EngineError, match="out of memory"):
            engine.infer(test, template[::-1])
        cuda.mend()
        np.testing.assert_array_equal(engine.infer(test, template), reference.infer(test, template))
    engine.close()


@pytest.mark.parametrize("function", ["cuInit", "cuDevicePrimaryCtxRetain", "cuMemHostAlloc", "cuMemAlloc_v2"])
def test_a_gpu_that_cannot_be_had_is_an_engine_error_and_nothing_stays(
    cuda: FakeCuda, artifact: Path, function: str
) -> None:
    before = {what: cuda.count(what) for what in ("allocations", "streams", "events")}
    for call in (1, 3) if "Mem" in function else (1,):
        cuda.fail(function, call, times=2)  # pycuda collects garbage and tries once more
        with pytest.raises(EngineError, match="out of memory"):
            load(artifact)
    assert {what: cuda.count(what) for what in before} == before


def test_what_tensorrt_refuses_is_told_with_its_reason(cuda: FakeCuda, tmp_path: Path) -> None:
    artifact = write_compiled(tmp_path / "engine", plan_of(tmp_path, refuses=True))
    with pytest.raises(EngineError, match=r"cannot run 1 tiles \(IExecutionContext::enqueueV3: refused by the test\)"):
        load(artifact)


def test_an_engine_too_large_for_the_gpu_is_refused_with_both_sizes(cuda: FakeCuda, tmp_path: Path) -> None:
    artifact = write_compiled(tmp_path / "engine", plan_of(tmp_path, memory=9 << 30))
    with pytest.raises(EngineError, match="needs 9216 MB of GPU memory, 8192 MB are free"):
        load(artifact)


def test_a_plan_that_is_none_is_a_plan_error(cuda: FakeCuda, tmp_path: Path) -> None:
    artifact = write_compiled(tmp_path / "engine", b"this is no plan")
    with pytest.raises(PlanError, match=r"cannot load the plan \(Serialization assertion failed"):
        load(artifact)


def test_a_plan_of_another_model_is_a_plan_error(cuda: FakeCuda, tmp_path: Path) -> None:
    from tests.support.gpu.fake_tensorrt import make_plan

    other = write_difference_model(tmp_path / "m.onnx", height=HEIGHT, width=WIDTH + 8).read_bytes()
    with pytest.raises(PlanError, match="tensors are not those of the model"):
        load(write_compiled(tmp_path / "engine", make_plan(other)))


def test_another_thread_may_not_use_it(engine: Engine) -> None:
    caught: list[Exception] = []

    def use() -> None:
        try:
            engine.infer(tiles(1), tiles(1))
        except EngineError as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "another thread" in str(caught[0])


def test_a_closed_engine_says_so(artifact: Path) -> None:
    engine = load(artifact)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(tiles(1), tiles(1))


def test_auto_takes_tensorrt_where_the_plan_runs(artifact: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("NOT RUN: a plan is loaded only if root owns it, and this is not root")
    engine = load_engine(artifact)
    assert (engine.backend, engine.runtime, engine.degraded) == ("tensorrt", "TensorRT 10.3.0", "")
    engine.close()


def test_auto_falls_back_to_the_cpu_and_says_why(cuda: FakeCuda, artifact: Path) -> None:
    cuda.fail("cuMemHostAlloc")
    engine = load_engine(artifact)
    assert engine.backend == "onnxruntime"
    assert "instead of TensorRT" in engine.degraded
    assert engine.infer(tiles(1), tiles(1)).shape == (1, HEIGHT, WIDTH)
