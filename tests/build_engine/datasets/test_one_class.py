"""Folders in the layout of MVTec AD, MNIST and CIFAR as npz."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from build_engine.datasets.annotated_pair import DatasetError
from build_engine.datasets.one_class import good_pictures, is_grey, npz_size, read_tests
from tests.support.one_class import ring, write_cifar, write_mnist, write_mvtec


def test_a_folder_in_the_layout_of_mvtec_is_read_at_any_size(tmp_path: Path) -> None:
    folder = write_mvtec(tmp_path / "ring")
    assert good_pictures(folder, (64, 64)).shape == (6, 64, 64, 3)
    tests = read_tests(folder, (64, 64))
    assert tests.kinds == ("good",) * 3 + ("spot",) * 3
    assert tests.masks is not None
    assert tests.masks.any(axis=(1, 2)).tolist() == tests.anomalous.tolist() == [False] * 3 + [True] * 3
    share = tests.masks[3].mean()
    assert share == pytest.approx(np.pi * 7**2 / 96**2, rel=0.15)


def test_a_plain_folder_of_pictures_can_be_trained_on(tmp_path: Path) -> None:
    folder = write_mvtec(tmp_path / "ring")
    assert len(good_pictures(folder / "train" / "good", (32, 32))) == 6


def test_a_missing_mask_names_the_picture_and_where_it_belongs(tmp_path: Path) -> None:
    folder = write_mvtec(tmp_path / "ring")
    (folder / "ground_truth/spot/001_mask.png").unlink()
    with pytest.raises(DatasetError, match=r"spot/001\.png: has no mask; put it at .*001_mask\.png"):
        read_tests(folder, (64, 64))


def test_one_digit_of_mnist_is_good(tmp_path: Path) -> None:
    file = write_mnist(tmp_path / "mnist.npz")
    good = good_pictures(file, (28, 28), normal=1)
    assert good.shape == (20, 28, 28, 3)
    assert is_grey(good)
    assert npz_size(file) == 28
    assert read_tests(file, (28, 28), normal=1).kinds == ("0", "good", "2") * 3
    with pytest.raises(DatasetError, match="--normal"):
        good_pictures(file, (28, 28))


def test_cifar_becomes_bgr_and_loses_its_rim(tmp_path: Path) -> None:
    file = write_cifar(tmp_path / "cifar.npz")
    good = good_pictures(file, (30, 30))
    assert good.shape == (8, 30, 30, 3)
    assert good[..., 2].mean() > good[..., 0].mean() + 90
    assert good_pictures(file, (64, 64)).shape == (8, 64, 64, 3)
    assert read_tests(file, (30, 30)).anomalous.tolist() == [False] * 2 + [True] * 3


@pytest.mark.parametrize("content", [b"", b"no npz"])
def test_files_that_are_no_data_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DatasetError, match="is no npz file"):
        good_pictures(tmp_path / "x.npz", (28, 28))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no picture of a good part"):
        good_pictures(tmp_path, (28, 28))
    with pytest.raises(DatasetError, match="no test picture"):
        read_tests(tmp_path, (28, 28))


def test_a_digit_that_is_not_there_and_a_single_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no pictures of 7"):
        good_pictures(write_mnist(tmp_path / "mnist.npz"), (28, 28), normal=7)
    with pytest.raises(DatasetError, match="only one picture of a good part"):
        good_pictures(write_mvtec(tmp_path / "ring", good=1), (28, 28))


def test_a_folder_without_masks_can_be_judged_by_picture(tmp_path: Path) -> None:
    folder = write_mvtec(tmp_path / "ring")
    shutil.rmtree(folder / "ground_truth")
    tests = read_tests(folder, (64, 64))
    assert tests.masks is None
    assert tests.anomalous.sum() == 3


def test_pictures_of_several_sizes_kinds_and_depths_are_read(tmp_path: Path) -> None:
    folder = write_mvtec(tmp_path / "ring")
    good = folder / "train" / "good"
    cv2.imwrite(str(good / "grey.jpg"), ring(7, 50)[..., 0])
    cv2.imwrite(str(good / "deep.PNG"), ring(8, 120)[:, :70].astype(np.uint16) * 256)
    cv2.imwrite(str(good / "alpha.png"), np.dstack([ring(9), np.full((96, 96), 255, np.uint8)]))
    (good / "notes.txt").write_text("not a picture")
    pictures = good_pictures(folder, (64, 64))
    assert pictures.shape == (9, 64, 64, 3)
    assert pictures.mean(axis=(1, 2, 3)).min() > 60  # nothing was read as black
