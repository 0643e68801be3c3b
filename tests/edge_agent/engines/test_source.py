"""An engine that is activated is taken; one that cannot be used is not, and the one before goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.engines.engine import Engine, ScoreMaps, Tiles
from edge_agent.engines.manifest import MODEL
from edge_agent.engines.source import EngineSource
from edge_agent.engines.store import EngineStore
from edge_agent.errors import ModelError
from tests.support.artifacts import write_artifact
from tests.support.models import write_difference_model


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    store = EngineStore(tmp_path / "engines")
    for number, gain in enumerate((5.0, 6.0, 7.0), start=1):
        with store.staged(f"engine-{number}") as folder:
            write_artifact(folder, gain=gain)
    return store


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_difference_model(tmp_path / "m.onnx", height=256, width=320, gain=4.0)


def digest(store: EngineStore, name: str) -> str:
    import hashlib

    return hashlib.sha256((store.folder / name / MODEL).read_bytes()).hexdigest()


def test_without_a_current_engine_the_model_is_taken(store: EngineStore, model: Path) -> None:
    source = EngineSource(model, threads=1, store=store.folder)
    engine = source.load()
    assert engine.info.digest not in {digest(store, name) for name in store.names()}
    assert source.newer(engine) is None


def test_an_engine_that_is_activated_is_given_once(store: EngineStore, model: Path) -> None:
    source = EngineSource(model, threads=1, store=store.folder)
    engine = source.load()
    store.activate("engine-1")
    newer = source.newer(engine)
    assert newer
    assert newer.info.digest == digest(store, "engine-1")
    assert source.newer(newer) is None
    store.activate("engine-2")
    store.activate("engine-3")
    last = source.newer(newer)
    assert last
    assert last.info.digest == digest(store, "engine-3")
    store.rollback()
    back = source.newer(last)
    assert back
    assert back.info.digest == digest(store, "engine-2")


def test_an_engine_that_is_damaged_is_not_taken_until_another_is_current(store: EngineStore) -> None:
    store.activate("engine-1")
    source = EngineSource(threads=1, store=store.folder)
    engine = source.load()
    (store.folder / "engine-2" / MODEL).write_bytes(b"damaged")
    store.activate("engine-2")
    assert source.newer(engine) is None
    assert 'the new engine "engine-2" is not taken, the one before goes on' in source.trouble
    assert "not the file that the manifest was written for" in source.trouble
    assert source.newer(engine) is None
    assert source.trouble, "it stays as long as that one is current"
    assert source.load().info.digest == digest(store, "engine-1"), "also when the one before has to be loaded again"
    store.rollback()
    assert source.newer(engine) is None
    assert not source.trouble


def test_a_link_to_nothing_is_a_trouble_and_not_the_end(store: EngineStore) -> None:
    store.activate("engine-1")
    source = EngineSource(threads=1, store=store.folder)
    engine = source.load()
    (store.folder / "current").unlink()
    (store.folder / "current").symlink_to("gone")
    assert source.newer(engine) is None
    assert 'points at "gone", which is no engine' in source.trouble
    (store.folder / "current").unlink()
    (store.folder / "current").mkdir()
    assert source.newer(engine) is None
    assert "is no link to an engine" in source.trouble
    assert source.load().info.digest == engine.info.digest


def test_at_the_start_a_damaged_engine_is_an_error(store: EngineStore) -> None:
    store.activate("engine-1")
    (store.folder / "engine-1" / MODEL).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the file"):
        EngineSource(threads=1, store=store.folder).load()


class OnGpu(Engine):
    """Says that it is one of TensorRT."""

    backend = "tensorrt"

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        raise AssertionError

    def close(self) -> None:
        pass


def test_a_gpu_that_fails_again_and_again_is_given_up(store: EngineStore) -> None:
    store.activate("engine-1")
    source = EngineSource(threads=1, store=store.folder)
    source.load()
    source.failed(OnGpu(), "lost")
    source.worked()
    source.failed(OnGpu(), "lost")
    assert not source.load().degraded
    source.failed(OnGpu(), "CUDA failed")
    engine = source.load()
    assert (engine.backend, engine.degraded) == (
        "onnxruntime",
        "ONNX Runtime on the CPU instead of TensorRT until the next start: CUDA failed",
    )
    store.activate("engine-2")
    newer = source.newer(engine)
    assert newer
    assert not newer.degraded, "a new engine is tried on the GPU again"


def test_where_the_gpu_is_a_must_it_is_not_given_up(store: EngineStore) -> None:
    store.activate("engine-1")
    source = EngineSource(backend="onnxruntime", threads=1, store=store.folder)
    source.load()
    for _ in range(5):
        source.failed(OnGpu(), "lost")
    assert not source.load().degraded
