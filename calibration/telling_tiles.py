"""The few tiles that stay with an engine, so that another plan of its model can be tried where no pictures are left."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from build_engine.compilation.trial import MOST_KEPT
from calibration.pair_set import Entry
from calibration.registered_pairs import PairTiles, RegisteredPairs
from edge_agent.engines import ModelInfo
from edge_agent.engines.engine import Tiles

ALL = 10_000  # tiles of a pair
SEEN = 40  # grey levels that a pixel must differ by to count


def telling_tiles(pairs: RegisteredPairs, info: ModelInfo) -> tuple[Tiles, Tiles] | None:
    """Tiles of the pairs of the check, uint8 [N, H, W, 3] each: of every pair the one that differs the most.

    Half of the pairs show an object, if there are as many. None where no pair can be used.
    """
    chosen = RegisteredPairs(pairs.pairs, _chosen(pairs.entries), pairs.recipes)
    kept = []
    for test, template in PairTiles(chosen, info, ALL):
        changed = [int((cv2.absdiff(a, b) > SEEN).sum()) for a, b in zip(test, template, strict=True)]
        best = int(np.argmax(changed))
        kept.append((test[best].copy(), template[best].copy()))
    if not kept:
        return None
    return np.stack([test for test, _ in kept]), np.stack([template for _, template in kept])


def _chosen(entries: Sequence[Entry]) -> list[Entry]:
    with_object = [entry for entry in entries if entry.has_object][: MOST_KEPT // 2]
    return [*with_object, *(entry for entry in entries if not entry.has_object)][:MOST_KEPT]
