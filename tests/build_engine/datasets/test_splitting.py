"""Validation pairs show other parts than training pairs, where the folders allow it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build_engine.datasets import AnnotatedPair, DatasetError
from build_engine.datasets.splitting import split


def pairs(*sizes: int) -> tuple[AnnotatedPair, ...]:
    return tuple(
        AnnotatedPair(f"{folder}/{number}", Path(f"{folder}/{number}.png"), Path("template.png"), ())
        for folder, size in enumerate(sizes)
        for number in range(size)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.floats(0.05, 0.9), st.integers(0, 5), st.booleans())
def test_every_pair_is_on_one_side_and_neither_is_empty(sizes, share, seed, whole) -> None:
    everything = pairs(*sizes)
    if len(everything) < 2:
        with pytest.raises(DatasetError, match="cannot be divided"):
            split(everything, share, seed, whole_folders=whole)
        return
    training, validation = split(everything, share, seed, whole_folders=whole)
    assert training
    assert validation
    assert sorted(pair.name for pair in training + validation) == sorted(pair.name for pair in everything)
    assert split(everything, share, seed, whole_folders=whole) == (training, validation)


def test_whole_folders_are_kept_back_as_many_as_make_up_the_share() -> None:
    training, validation = split(pairs(291, 198, 200, 111, 50, 50, 100), 0.2, 0, whole_folders=True)
    assert len(validation) == 200
    assert len({pair.test.parent for pair in validation}) == 3
    assert not {pair.test.parent for pair in validation} & {pair.test.parent for pair in training}


def test_single_pairs_are_drawn_where_folders_do_not_make_up_the_share() -> None:
    _, validation = split(pairs(50, 50), 0.2, 0, whole_folders=True)
    assert len(validation) == 20
    assert split(pairs(50, 50), 0.2, 1, whole_folders=True)[1] != validation


def test_single_pairs_are_drawn_where_that_is_asked_for() -> None:
    training, validation = split(pairs(100, 100, 100, 100, 100), 0.2, 0, whole_folders=False)
    assert len(validation) == 100
    assert {pair.test.parent for pair in validation} == {pair.test.parent for pair in training}
