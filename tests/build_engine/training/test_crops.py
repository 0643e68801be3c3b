"""Crops of registered pairs keep picture and mask together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from build_engine.datasets import read_pairs
from build_engine.datasets.registered import RegisteredPair
from build_engine.datasets.registering import register_all
from build_engine.training.crops import PairCrops, cut_sample
from tests.support.boards import write_pairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[RegisteredPair, ...]:
    folder = tmp_path_factory.mktemp("crops")
    return register_all(read_pairs(write_pairs(folder / "pairs", 3)), folder / "registered", 0.0, jobs=1).pairs


def test_the_mask_stays_on_the_object_through_every_symmetry(pairs: tuple[RegisteredPair, ...]) -> None:
    shown = 0
    for seed in range(60):
        sample = cut_sample(np.random.default_rng(seed), pairs[seed % 3], 128)
        assert sample.test.shape == sample.template.shape == (128, 128, 3)
        differs = cv2.absdiff(sample.test, sample.template).max(axis=2) > 100
        assert differs[cv2.erode(sample.mask, np.ones((3, 3))) > 0].all()
        assert not differs[cv2.dilate(sample.mask, np.ones((5, 5))) == 0].any()
        shown += bool(sample.mask.any())
    assert shown > 30, "half of the crops are cut around an object"


def test_processes_that_share_a_batch_cut_what_one_would(pairs: tuple[RegisteredPair, ...]) -> None:
    whole = PairCrops(pairs, 64, 0, 4, 5, 2, range(4))[1]
    halves = [PairCrops(pairs, 64, 0, 4, 5, 2, share)[1] for share in (range(2), range(2, 4))]
    for number, tensor in enumerate(whole):
        assert (tensor[:2] == halves[0][number]).all()
        assert (tensor[2:] == halves[1][number]).all()


def test_each_pair_is_used_as_often_as_another(pairs: tuple[RegisteredPair, ...]) -> None:
    crops = PairCrops(pairs, 64, 0, 3, 0, 4, range(3))
    read: list[Path] = []

    class Watched(RegisteredPair):
        def read(self) -> np.ndarray:
            read.append(self.file)
            return super().read()

    crops.pairs = tuple(Watched(pair.name, pair.file, pair.boxes) for pair in pairs)
    for number in range(4):
        crops[number]
    assert {read.count(pair.file) for pair in pairs} == {4}
