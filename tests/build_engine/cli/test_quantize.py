"""build-engine quantize, from pictures to a model that the agent loads."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from build_engine.cli.main import main
from build_engine.datasets import read_pairs
from build_engine.networks.similarity_contrast import build_network
from build_engine.onnx_export import export
from build_engine.precision import read_report, tiles_of_pairs
from edge_agent.engines import load_engine
from edge_agent.images import read_image, write_image
from edge_agent.inspection.inspector import Inspector
from edge_agent.inspection.recipe import Recipe
from tests.support.photographs import write_photographs
from tests.support.scenes import connector, motion, moved, noisy, with_object

SIZE = (96, 160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, two pairs that can be registered, and one that cannot."""
    folder = tmp_path_factory.mktemp("quantize")
    torch.manual_seed(0)
    export(build_network("compact", 0.2), folder / "model.onnx", name="compact", version="3", threshold=0.3, size=SIZE)
    template = connector()
    write_image(folder / "template.png", template)
    write_image(folder / "clean.png", noisy(moved(template, motion(template, (3, -2), 0.5)), 1))
    write_image(folder / "object.png", noisy(with_object(template, (150, 120, 190, 140)), 2))
    grid = np.random.default_rng(3).integers(0, 256, (14, 20, 3), dtype=np.uint8)
    write_image(folder / "other.png", np.asarray(cv2.resize(grid, template.shape[1::-1]), np.uint8))
    rows = "".join(f"{name}.png,template.png\n" for name in ("clean", "object", "other"))
    (folder / "pairs.csv").write_text("test,template\n" + rows)
    return folder


def quantize(folder: Path, *more: str) -> int:
    model, output = folder / "model.onnx", folder / "made.onnx"
    return main(["quantize", "--model", str(model), "--output", str(output), "--threads", "1", *more])


def test_pairs_give_a_model_that_the_agent_loads_and_a_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_file = folder / "report.json"
    pairs = ("--pairs", str(folder / "pairs.csv"), "--float-share", "0", "--method", "percentile")
    assert quantize(folder, *pairs, "--report", str(report_file)) == 0
    out, err = capsys.readouterr()
    assert "100.0% int8" in out
    assert "percentile" in out
    assert "not used: other" in err
    assert load_engine(folder / "made.onnx").info.precision == "int8+fp16"
    report = read_report(report_file)
    assert report.source == load_engine(folder / "model.onnx").info.digest
    assert report.tiles > 2


def test_photographs_give_a_model_too_and_json_is_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photographs = write_photographs(folder / "photographs", 3)
    arguments = (
        "--photographs",
        str(photographs),
        "--precision",
        "int8",
        "--tiles",
        "3",
        "--method",
        "minmax",
        "--json",
    )
    assert quantize(folder, *arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["precision"] == load_engine(folder / "made.onnx").info.precision == "int8"
    assert report["tiles"] == 3
    assert report["int8_share"] >= 0.9


def test_fp16_needs_no_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize(folder, "--precision", "fp16") == 0
    assert "100.0% fp16" in capsys.readouterr().out
    assert load_engine(folder / "made.onnx").info.precision == "fp16"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "INT8 needs pictures"),
        (("--precision", "fp16", "--photographs", "."), "FP16 measures no ranges"),
        (("--pairs", "nowhere.csv"), "no such list"),
        (("--photographs", "nowhere"), "no photographs found"),
    ],
)
def test_wrong_use_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert quantize(folder, *arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_pairs_that_cannot_be_registered_are_refused_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "wrong.csv").write_text("test,template\nother.png,template.png\n")
    assert quantize(folder, "--pairs", str(folder / "wrong.csv")) == 2
    err = capsys.readouterr().err.strip()
    assert "no pair gives a calibration tile: other" in err
    assert len(err.splitlines()) == 1


def test_the_tiles_are_those_that_the_product_looks_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pair,) = (pair for pair in read_pairs(folder / "pairs.csv") if pair.test.name == "clean.png")
    ((test, template),) = tiles_of_pairs([pair], SIZE, limit=1000)
    engine = load_engine(folder / "model.onnx", threads=1)
    seen = []
    infer = engine.infer

    def spy(test_tiles: NDArray[np.uint8], template_tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append((test_tiles, template_tiles))
        return infer(test_tiles, template_tiles)

    monkeypatch.setattr(engine, "infer", spy)
    Inspector(engine).inspect(read_image(pair.test), Recipe("part", "1", read_image(pair.template)))
    ((product_test, product_template),) = seen
    assert (test == product_test).all()
    assert (template == product_template).all()


def test_every_pair_gives_as_many_tiles_and_the_limit_holds(folder: Path) -> None:
    pairs = read_pairs(folder / "pairs.csv")
    few = tiles_of_pairs(pairs, SIZE, limit=6, seed=1)
    assert [len(test) for test, _ in few] == [2, 2]
    assert [name for name, _ in few.skipped] == ["other (line 4)"]
    again = tiles_of_pairs(pairs, SIZE, limit=6, seed=1)
    assert all((a == b).all() for (a, _), (b, _) in zip(few, again, strict=True))
    assert len(tiles_of_pairs(pairs, SIZE, limit=1)) == 1
