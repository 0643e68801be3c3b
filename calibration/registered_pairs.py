"""Pairs of the set as the network sees them: registered to their template, cut into tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from calibration.pair_set import Entry, PairSet
from edge_agent.engines import ModelInfo
from edge_agent.engines.engine import Tiles
from edge_agent.errors import ImageError
from edge_agent.images import read_image
from edge_agent.inspection import tiles
from edge_agent.inspection.inspection import Inspection
from edge_agent.inspection.recipe import Recipe
from edge_agent.inspection.registration import Registered, Registrar


@dataclass
class RegisteredPairs:
    """Goes through pairs of a set, one in memory at a time; as often as wanted.

    Attributes:
        entries: which pairs, and in which order.
        recipes: by key.
        unusable: of the last time through: id and why, of pairs that do not show the part of their recipe.
    """

    pairs: PairSet
    entries: Sequence[Entry]
    recipes: Mapping[str, Recipe]
    unusable: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[Entry, Registered]]:
        self.unusable.clear()
        registrars = {key: Registrar() for key in self.recipes}  # each keeps what it has worked out for its recipe
        for entry in self.entries:
            try:
                image = read_image(self.pairs.picture(entry))
            except ImageError as error:
                self.unusable[entry.id] = str(error)
                continue
            registered = registrars[entry.recipe].register(image, self.recipes[entry.recipe])
            if isinstance(registered, Inspection):
                self.unusable[entry.id] = registered.reasons[0].text
            else:
                yield entry, registered


@dataclass
class PairTiles:
    """The tiles of pairs as batches (test, template), uint8 [N, H, W, 3], of all scales of their recipe.

    Each pair gives as many, drawn by its id: a picture of 12 megapixels has 80, and neighbours resemble each other.

    Attributes:
        most: pairs of tiles in all.
        done: pairs of pictures gone through, the last time.
    """

    registered: RegisteredPairs
    info: ModelInfo
    most: int
    done: int = 0

    def __iter__(self) -> Iterator[tuple[Tiles, Tiles]]:
        each = max(1, round(self.most / max(1, len(self.registered.entries))))
        self.done = 0
        for entry, pair in self.registered:
            cut = tiles.cut_pair(self.info, pair.test, pair.template, pair.recipe.scales)
            chosen = np.random.default_rng(int(entry.id, 16)).permutation(len(cut.test))[:each]
            self.done += 1
            yield cut.test[chosen], cut.template[chosen]
