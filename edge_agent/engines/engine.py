"""What every inference back end is: tiles in, score maps out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import EngineError

Tiles = NDArray[np.uint8]
ScoreMaps = NDArray[np.float32]


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says of itself.

    Attributes:
        network, version: name and version of the network, from the metadata.
        kind: "pair" (test and template) or "single" (test alone).
        threshold: score at and above which a pixel belongs to a component.
        digest: sha256 of the file, hexadecimal.
        height, width: size of a tile in pixels.
        precision: "fp32", "fp16", "int8", ….
        view: "tiles" where the region is cut into tiles at the recipe's scales, "whole" where it is resized to one.
    """

    network: str
    version: str
    kind: str
    threshold: float
    digest: str
    height: int
    width: int
    precision: str = "fp32"
    view: str = "tiles"


class Engine(ABC):
    """Runs a model on batches of tiles. Not thread-safe: one thread owns it.

    The public `infer` checks shapes and types; back ends override `_infer`.

    Attributes:
        info: what the model says of itself.
        backend: "onnxruntime" or "tensorrt".
        runtime: name and version of what runs it, for people.
        degraded: why this is not the back end that was wanted; "" where it is.
    """

    info: ModelInfo
    backend: str
    runtime: str = ""
    degraded: str = ""

    def infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        """Score maps of a batch.

        Args:
            test: BGR uint8 [N, H, W, 3], tiles of the part.
            template: the same shape, tiles of the template (ignored by a network of kind "single").

        Returns:
            float32 [N, H, W], 0..1.

        Raises:
            EngineError: wrong shape or type, or the back end failed.
        """
        height, width = self.info.height, self.info.width
        for name, tiles in (("test", test), ("template", template)):
            if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[1:] != (height, width, 3):
                raise EngineError(
                    f"{name} must be uint8 [N, {height}, {width}, 3], but got {tiles.dtype} {list(tiles.shape)}"
                )
        if len(test) != len(template):
            raise EngineError(f"test and template must have the same N, but got {len(test)} and {len(template)}")
        scores = self._infer(test, template)
        if not np.isfinite(np.sum(scores)):  # of 0..1, so that nothing overflows; a tenth of the time of each by itself
            raise EngineError(
                "the network returned values that are not finite", mend="check the model with build-engine verify"
            )
        return scores

    @abstractmethod
    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        """Run the network on a checked batch."""

    @abstractmethod
    def close(self) -> None:
        """Free what the back end holds. May be called twice."""
