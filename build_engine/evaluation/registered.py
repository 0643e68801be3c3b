"""A network judged on registered pairs while it is trained: the product's tiles and components, without its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from build_engine.datasets.registered import RegisteredPair, unpack
from build_engine.evaluation.detection import ImageDetections, Scores, official
from build_engine.networks.similarity_contrast import PairNetwork
from edge_agent.engines.engine import Engine, ModelInfo, ScoreMaps, Tiles
from edge_agent.inspection import tiles
from edge_agent.inspection.components import find_components
from edge_agent.inspection.recipe import Recipe

TILE = (480, 640)
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
AS_GOOD = 0.001  # by how much F1 may be lower for the sake of a lower threshold: a missed object costs the most


class NetworkEngine(Engine):
    """A PyTorch network as an engine.

    Args:
        network: in evaluation mode, on its device.
        bf16: bfloat16 arithmetic, which moves scores by less than 0.01.
    """

    backend = "pytorch"

    def __init__(self, network: PairNetwork, *, bf16: bool) -> None:
        self.network, self.bf16 = network, bf16
        self.device = next(network.parameters()).device
        self.info = ModelInfo("", "", "pair", 0.5, "", *TILE)

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            scores = [
                self.network(*(torch.from_numpy(image[None]).to(self.device) for image in pair))
                for pair in zip(test, template, strict=True)
            ]
        return np.asarray(torch.cat(scores).float().cpu().numpy(), np.float32)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Looked:
    """What an engine sees of a pair, before any threshold."""

    pair: RegisteredPair
    scores: tiles.TileScores

    def detections(self, threshold: float) -> ImageDetections:
        """The product's components at a threshold, those too short for its default limit among them."""
        found, _ = find_components(self.scores.merged(threshold), threshold)
        return ImageDetections(
            np.array([component.bbox_px for component in found], np.float64).reshape(-1, 4),
            np.array([component.score for component in found], np.float64),
            np.array(self.pair.boxes, np.float64).reshape(-1, 4),
        )


def look_at(engine: Engine, pairs: Iterable[RegisteredPair]) -> Iterator[Looked]:
    """Each pair through an engine."""
    for pair in pairs:
        test, template, _ = unpack(np.asarray(pair.read()))
        yield Looked(pair, tiles.look(engine, tiles.cut_pair(engine.info, test, template, Recipe.scales)))


def scores_by_threshold(
    engine: Engine, pairs: Sequence[RegisteredPair], thresholds: Sequence[float], margin_px: float
) -> dict[float, Scores]:
    """Figures by the official protocol at each threshold; boxes are grown by the annotators' margin."""
    images: dict[float, list[ImageDetections]] = {threshold: [] for threshold in thresholds}
    for looked in look_at(engine, pairs):
        for threshold, found in images.items():
            found.append(looked.detections(threshold))
    return {threshold: official(found, margin_px) for threshold, found in images.items()}


def choose_threshold(scores: dict[float, Scores], present: float) -> float:
    """The present threshold if its F1, over all components, is within AS_GOOD of the best, else the lowest that is.

    A few pairs without a mistake say nothing against any threshold: then there is no reason to leave the present one.
    """
    best = max(figures.f1 for figures in scores.values())
    as_good = [threshold for threshold, figures in scores.items() if figures.f1 >= best - AS_GOOD]
    return present if present in as_good else min(as_good)
