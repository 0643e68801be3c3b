"""ONNX Runtime alone, on the very tiles that the inspector cuts of a picture: what an agent is measured against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_agent.engines import Engine, load_engine
from edge_agent.engines.engine import ScoreMaps, Tiles
from edge_agent.engines.onnx_runtime import MAX_BATCH
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe

TilePair = tuple[Tiles, Tiles]  # test, template, uint8 [N, H, W, 3] each


def tiles_of(model: Path, parts: list[NDArray[np.uint8]], recipe: Recipe) -> list[TilePair]:
    """What the inspector gives to the engine for each part."""
    engine = _Listening(load_engine(model))
    inspector = Inspector(engine)
    for part in parts:
        inspector.inspect(part, recipe)
    engine.close()
    return engine.pairs


class BareRuntime:
    """ONNX Runtime alone, on the very tiles that the inspector cuts of each picture."""

    def __init__(self, model: Path, tiles: list[TilePair], threads: int) -> None:
        self._pairs = tiles
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def infer(self, number: int) -> None:
        """Run the network on the tiles of a picture; after the last one comes the first."""
        test, template = self._pairs[number % len(self._pairs)]
        for start in range(0, len(test), MAX_BATCH):
            part = slice(start, start + MAX_BATCH)
            self._session.run(["score"], {"test": test[part], "template": template[part]})


class _Listening(Engine):
    """Keeps what the inspector gives to the engine."""

    def __init__(self, engine: Engine) -> None:
        self.info, self.backend = engine.info, engine.backend
        self.pairs: list[TilePair] = []
        self._engine = engine

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        self.pairs.append((test, template))
        return self._engine.infer(test, template)

    def close(self) -> None:
        self._engine.close()
