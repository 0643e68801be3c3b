"""Divide annotated pairs into those to train with and those to choose by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from build_engine.datasets.annotated_pair import AnnotatedPair, DatasetError

NEAR = 0.25  # by how much the share may be missed for the sake of whole folders


def split(
    pairs: Sequence[AnnotatedPair], share: float, seed: int, *, whole_folders: bool
) -> tuple[tuple[AnnotatedPair, ...], tuple[AnnotatedPair, ...]]:
    """Training and validation pairs, each in their own order; the same for the same seed.

    Args:
        share: of the pairs, for validation; at least one pair is.
        whole_folders: pictures of one folder mostly show the same part, so keep back whole folders, as many as can be,
            where they make up the share to within a quarter of it: then the validation shows parts that were not
            trained on. Else, and where they do not, single pairs are drawn at random: then there is some of everything
            to learn from, and the validation flatters.

    Raises:
        DatasetError: there are fewer than two pairs.
    """
    if len(pairs) < 2:
        raise DatasetError(f"{len(pairs)} pairs cannot be divided", mend="give pairs to train with and to validate on")
    rng = np.random.default_rng(seed)
    wanted = min(len(pairs) - 1, max(1, round(share * len(pairs))))
    folders: dict[Path, list[int]] = {}
    for number, pair in enumerate(pairs):
        folders.setdefault(pair.test.parent, []).append(number)
    order = [list(folders)[place] for place in rng.permutation(len(folders))]
    chosen = _most_whole([len(folders[folder]) for folder in order], wanted) if whole_folders else ()
    held_back = {number for place in chosen for number in folders[order[place]]}
    if not held_back or abs(len(held_back) - wanted) > NEAR * wanted:
        held_back = set(rng.permutation(len(pairs))[:wanted].tolist())
    training = tuple(pair for number, pair in enumerate(pairs) if number not in held_back)
    return training, tuple(pair for number, pair in enumerate(pairs) if number in held_back)


def _most_whole(sizes: Sequence[int], wanted: int) -> tuple[int, ...]:
    """Places of those sizes, as many as can be, whose sum is closest to what is wanted, and not all of them."""
    best: dict[int, tuple[int, ...]] = {0: ()}  # sum -> the most places that make it
    for place, size in enumerate(sizes):
        for total, places in sorted(best.items(), reverse=True):
            if total + size <= 2 * wanted and len(places) + 1 > len(best.get(total + size, ())):
                best[total + size] = (*places, place)
    best = {total: places for total, places in best.items() if 0 < len(places) < len(sizes)}
    return best[min(best, key=lambda total: abs(total - wanted))] if best else ()
