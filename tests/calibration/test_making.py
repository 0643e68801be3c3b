import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from build_engine.compilation.trial import kept_tiles
from build_engine.precision import to_int8
from calibration.activation import activate
from calibration.cli.main import main
from calibration.coverage import cover
from calibration.errors import CalibrationError
from calibration.gate import GateResult, check
from calibration.pair_set import PairSet
from calibration.place import Place
from calibration.registered_pairs import PairTiles, RegisteredPairs
from edge_agent.engines import load_engine
from edge_agent.engines.engine import Tiles
from edge_agent.engines.manifest import Manifest
from edge_agent.results.samples import recipe_key
from tests.support.artifacts import write_artifact
from tests.support.calibration import calibration_place, fill, fill_mirrored, mirrored
from tests.support.convolutions import write_convolution_model


def checked(place: Place) -> RegisteredPairs:
    pairs = PairSet(place.pairs)
    return RegisteredPairs(pairs, [entry for entry in pairs.entries if entry.for_check], place.recipes())


def judged_by_ranges_of(place: Place, tiles: list[tuple[Tiles, Tiles]], pairs: int) -> GateResult:
    """The gate's word on an INT8 engine whose ranges come from these tiles."""
    model = place.folder / "other.onnx"
    report = to_int8(place.model, tiles, model, threads=1)
    reference = place.reference()
    layers = cover(place.model, report, PairTiles(checked(place), reference.info, 30), 1)
    tested = load_engine(model, "onnxruntime", 1)
    return check(reference, tested, checked(place), layers=layers, calibrated_pairs=pairs)


def test_from_pictures_to_the_active_engine_and_back(
    place: Place, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["int8", str(config)]) == 0
    (name,) = place.store.names()
    manifest = Manifest.read(place.store.folder / name)
    assert manifest.precision == "int8"
    assert manifest.gate
    assert manifest.gate.passed
    assert manifest.calibration
    assert manifest.calibration.pairs + manifest.gate.figures["pairs"] == len(PairSet(place.pairs).entries)
    assert place.store.current() is None
    reference = place.reference()
    tiles = kept_tiles(place.store.folder / name, reference.info)  # for another plan of it, where nobody collects
    assert tiles
    assert len(tiles[0]) == 8
    marked = (reference.infer(*tiles) >= reference.info.threshold).any(axis=(1, 2))
    assert 2 <= marked.sum() <= 4
    capsys.readouterr()

    assert main(["status", str(config)]) == 0
    assert f"{name}, int8, passed the gate: calibrate activate takes it" in capsys.readouterr().out
    assert main(["activate", str(config)]) == 0
    assert place.store.current() == place.store.folder / name
    assert main(["status", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "int8 on onnxruntime" in shown
    assert "passed: agrees with FP32" in shown
    assert "NOT COMPARED" not in shown
    mirrored(place.recipe(), "turned").save(config.with_name("recipe"), overwrite=True)
    assert main(["status", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "NOT COMPARED on recipe turned, which is at work" in shown
    assert "would go to the model of agent.toml" in shown

    assert main(["rollback", str(config)]) == 0
    assert place.store.current() is None
    assert "the model of agent.toml (convolutions.onnx)" in capsys.readouterr().out


def test_one_engine_is_compared_on_every_recipe_that_runs_and_says_which_it_was_not_compared_on(
    place: Place, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = config.with_name("library")
    turned, idle = mirrored(place.recipe(), "turned"), replace(place.recipe(), name="idle", scales=(0.5,))
    for recipe in (turned, idle):
        recipe.save(library / recipe.name)
    config.write_text(config.read_text().replace("[recipe]", '[recipe]\nlibrary = "library"'))
    fill_mirrored(place, turned, range(1, 6))
    assert main(["int8", str(config)]) == 2
    assert "recipe turned: 5, " in capsys.readouterr().err
    fill_mirrored(place, turned, range(6, 40))
    assert main(["int8", str(config)]) == 0
    assert "not compared on: idle" in capsys.readouterr().out
    (name,) = place.store.names()
    gate = Manifest.read(place.store.folder / name).gate
    assert gate
    assert set(gate.figures["recipes"]) == {recipe_key(recipe) for recipe in (place.recipe(), turned)}
    page = place.report.read_text(encoding="utf-8")
    assert "recipe idle" in page


def test_of_a_recipe_that_runs_a_pair_or_two_are_no_proof(place: Place) -> None:
    turned = mirrored(place.recipe(), "turned")
    fill_mirrored(place, turned, range(1, 8))
    recipes = place.recipes() | {recipe_key(turned): turned}
    pairs = PairSet(place.pairs)
    entries = [entry for entry in pairs.entries if entry.for_check]
    few = [entry for entry in entries if entry.recipe == recipe_key(turned)][:2]
    assert few
    others = [entry for entry in entries if entry.recipe != recipe_key(turned)]
    result = check(place.reference(), place.reference(), RegisteredPairs(pairs, [*others, *few], recipes))
    assert f"only {len(few)} pairs of recipe turned to check with, 3 needed" in result.text


def test_everything_in_one_go_ends_with_the_new_engine_active_and_a_report_on_one_page(
    place: Place, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(config), "--pairs", "80"]) == 0
    (name,) = place.store.names()
    assert place.store.current() == place.store.folder / name
    assert f"undo       calibrate rollback {config}" in capsys.readouterr().out
    page = place.report.read_text(encoding="utf-8")
    assert "<b>Passed.</b>" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert len(pictures) >= 10
    assert all(cv2.imdecode(np.frombuffer(b64decode(p), np.uint8), cv2.IMREAD_COLOR) is not None for p in pictures)


def test_where_int8_does_not_pass_fp16_is_offered_and_passes(
    place: Place, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = PairSet(place.pairs)
    for entry in pairs.entries:
        if not entry.for_check:  # parts on which nothing ever lies: the ranges come out too narrow
            cv2.imwrite(str(pairs.picture(entry)), place.recipe().template)
    assert main(["int8", str(config)]) == 1
    said = capsys.readouterr().out
    assert "NOT PASSED" in said
    assert "it was calibrated on too few or other pictures" in said
    assert f"calibrate fp16 {config}" in said
    assert "<b>Not passed: int8-" in place.report.read_text(encoding="utf-8")
    assert main(["activate", str(config)]) == 2
    assert main(["fp16", str(config)]) == 0
    assert f"next: calibrate activate {config} fp16-" in capsys.readouterr().out
    assert main(["activate", str(config)]) == 0
    current = place.store.current()
    assert current
    assert Manifest.read(current).precision == "fp16"


def test_ranges_from_pictures_of_something_else_do_not_pass_and_the_reason_is_said(place: Place) -> None:
    rng = np.random.default_rng(0)
    grey = [np.full((1, 256, 320, 3), level, np.uint8) for level in range(60, 180, 2)]
    dull = [(np.clip(tile + rng.integers(0, 4, tile.shape), 0, 255).astype(np.uint8), tile) for tile in grey]
    result = judged_by_ranges_of(place, dull, 60)
    assert not result.passed
    assert "it was calibrated on too few or other pictures" in result.text
    assert "too narrow" in result.text


def test_ranges_from_too_few_pictures_do_not_pass_however_well_they_fit(place: Place) -> None:
    tiles = list(PairTiles(checked(place), place.reference().info, 30))[:5]
    assert "calibrated on 5 pairs, at least 48 are needed" in judged_by_ranges_of(place, tiles, 5).text


def test_an_engine_that_misses_objects_does_not_pass_and_the_pictures_are_named(place: Place) -> None:
    blind = load_engine(write_convolution_model(place.folder / "blind.onnx", gain=0.7), "onnxruntime", 1)
    result = check(place.reference(), blind, checked(place))
    missed = [entry for entry, agreement in result.agreements if agreement.verdicts == ("NG", "OK")]
    assert missed
    assert "with another verdict" in result.text
    assert any(entry.id[:8] in result.text for entry in missed)
    assert result.shown[0].agreement.differences
    assert len(result.shown[0].pictures) == 5


def test_pictures_of_another_part_are_no_proof(place: Place) -> None:
    pairs = PairSet(place.pairs)
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    for entry in pairs.entries[:30]:
        cv2.imwrite(str(pairs.picture(entry)), noise)
    result = check(place.reference(), place.reference(), checked(place))
    assert "do not show the part of the recipe" in result.text


def test_too_small_a_set_is_refused_with_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = calibration_place(tmp_path)
    fill(place, range(1, 8))
    assert main(["int8", str(tmp_path / "agent.toml")]) == 2
    said = capsys.readouterr().err
    assert "pairs: 7, wanted at least 80" in said
    assert "calibrate collect" in said


def test_an_engine_without_the_gate_s_word_is_never_activated(place: Place) -> None:
    with place.store.staged("mine") as folder:
        write_artifact(folder)
    with pytest.raises(CalibrationError, match="never compared with FP32"):
        activate(place.store, "mine")
    assert place.store.current() is None


def test_pictures_that_cannot_be_used_do_not_count_as_calibrated_on(
    place: Place, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = PairSet(place.pairs)
    calibration = [entry for entry in pairs.entries if not entry.for_check]
    for entry in calibration[30:]:
        pairs.picture(entry).write_bytes(b"torn")
    assert main(["int8", str(config)]) == 2
    assert f"only 30 of {len(calibration)} pictures can be calibrated on" in capsys.readouterr().err
    assert not place.store.names()


def test_a_model_of_an_earlier_call_that_a_power_cut_has_torn_is_made_anew(
    place: Place, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fp16", str(config)]) == 0
    (name,) = place.store.names()
    place.store.remove(name)
    (place.work / name / "model.onnx").write_bytes(b"")
    assert main(["fp16", str(config)]) == 0
    assert "is made anew" in capsys.readouterr().out
