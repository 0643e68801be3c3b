"""Where the inspecting thread has its engine from: the model of agent.toml, or the engine that a store has current."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from edge_agent.engines import Engine, load_engine
from edge_agent.engines.plan import is_artifact, read_artifact
from edge_agent.engines.store import CURRENT, EngineStore
from edge_agent.errors import MatecheckError, ModelError
from edge_agent.log import event

log = logging.getLogger(__name__)

FAILURES = 2  # in a row, after which a GPU is given up where the config allows


class EngineSource:
    """Loads engines, and knows which one it should be. One thread owns it.

    Args:
        model: an ONNX model or an engine's folder; None is the model that comes with the package.
        backend: as `load_engine` takes it.
        threads: of one inference on the CPU.
        store: its `current`, once there is one, goes before `model`.

    Attributes:
        trouble: why the engine at work is not the one that the store has current; "" where it is.
    """

    def __init__(
        self, model: Path | None = None, backend: str = "auto", threads: int = 0, store: Path | None = None
    ) -> None:
        self.trouble = ""
        self._model, self._backend, self._threads = model, backend, threads
        self._store = EngineStore(store) if store else None
        self._link: str | None = None  # where `current` pointed when it was last looked at
        self._refused: str | None = None  # where it pointed when what is there could not be used
        self._target: Path | None = None  # what is at work
        self._loaded = False
        self._failures = 0
        self._gpu_given_up = ""

    def load(self) -> Engine:
        """The engine to work with: at the start, and after one has failed.

        Raises:
            ModelError, EngineError: there is none that works.
        """
        self._link = self._read_link()
        target = self._target if self._loaded and self._link == self._refused else self._wanted_or_last()
        if target != self._target:
            self._gpu_given_up = ""
        self._target = target
        if not self._gpu_given_up:
            engine = load_engine(target, self._backend, self._threads)
            self._loaded = True
            return engine
        engine = load_engine(target, "onnxruntime", self._threads)
        engine.degraded = f"ONNX Runtime on the CPU instead of TensorRT until the next start: {self._gpu_given_up}"
        return engine

    def newer(self, working: Engine) -> Engine | None:
        """The engine that has become current since the last look, ready to work; None if there is none.

        It looks at one link, so that it may be called between any two parts. What cannot be used is not taken: the
        engine at work goes on, and `trouble` says why.

        Args:
            working: the engine at work. One on a GPU is not exchanged for one that would run on the CPU.
        """
        link = self._read_link()
        if link == self._link:
            return None
        self._link = link
        try:
            target = self._wanted()
            if target == self._target:
                self.trouble = ""
                return None
            engine = self._tried(target, working)
        except Exception as error:  # noqa: BLE001 - whatever it is: the engine at work is sound and goes on
            why = str(error) if isinstance(error, MatecheckError) else repr(error)
            self._refused = link
            self.trouble = f'the new engine "{link}" is not taken, the one before goes on: {why}'
            log.error(event("engine-not-taken", engine=link, why=why))
            return None
        self.trouble, self._target = "", target
        self._failures, self._gpu_given_up = 0, ""
        return engine

    def failed(self, engine: Engine, why: str) -> None:
        """An inference has failed; the next `load` gives another engine if it keeps failing on the GPU."""
        self._failures += 1
        if self._backend == "auto" and engine.backend == "tensorrt" and self._failures >= FAILURES:
            self._gpu_given_up = why
            log.error(event("gpu-given-up", failures=self._failures, why=why))

    def worked(self) -> None:
        """An inference has succeeded."""
        self._failures = 0

    def _tried(self, target: Path | None, working: Engine) -> Engine:
        """Load, and look at one tile: what fails on it would have failed on a part."""
        backend = self._backend
        if working.backend == "tensorrt" and target is not None and is_artifact(target):
            compiled = read_artifact(target).manifest.plan_sha256 is not None
            backend = "tensorrt" if compiled else backend
        engine = load_engine(target, backend, self._threads)
        try:
            tile = np.zeros((1, engine.info.height, engine.info.width, 3), np.uint8)
            engine.infer(tile, tile)
        except BaseException:
            engine.close()
            raise
        return engine

    def _wanted_or_last(self) -> Path | None:
        try:
            return self._wanted()
        except ModelError as error:
            if not self._loaded:
                raise
            self._refused, self.trouble = self._link, str(error)
            return self._target

    def _wanted(self) -> Path | None:
        current = self._store.current() if self._store else None
        return current or self._model

    def _read_link(self) -> str | None:
        if self._store is None:
            return None
        try:
            return (self._store.folder / CURRENT).readlink().name
        except FileNotFoundError:
            return None
        except OSError as error:
            return (
                f"cannot be read ({error.strerror})"  # another answer than before: what is there is looked at closely
            )
