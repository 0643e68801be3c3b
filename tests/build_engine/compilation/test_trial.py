from pathlib import Path

import numpy as np
import pytest

from build_engine.compilation.trial import KEPT, keep_tiles, kept_tiles, simulated_tiles, try_out
from edge_agent.engines import Engine, load_engine
from edge_agent.engines.artifact import read_model
from edge_agent.engines.engine import ScoreMaps, Tiles
from edge_agent.engines.onnx_runtime import OnnxRuntimeEngine
from edge_agent.errors import EngineError
from tests.support.models import write_difference_model

HEIGHT, WIDTH = 120, 160


@pytest.fixture
def model(tmp_path: Path) -> Engine:
    return engine(tmp_path)


def engine(folder: Path, **changes: float) -> Engine:
    path = write_difference_model(folder / "m.onnx", height=HEIGHT, width=WIDTH, **changes)  # type: ignore[arg-type]
    return load_engine(path, "onnxruntime", 1)


def test_a_plan_that_sees_the_same_passes_and_says_on_what(tmp_path: Path, model: Engine) -> None:
    tiles = simulated_tiles(model.info)
    assert (model.infer(*tiles) >= model.info.threshold).any()
    assert try_out(model, engine(tmp_path), None) == "sees what its model sees on 6 simulated parts"
    shown = try_out(model, engine(tmp_path), (tiles[0][:2], tiles[1][:2]))
    assert shown == "sees what its model sees on 6 simulated parts and 2 tiles of the line"


@pytest.mark.parametrize("wrong", [{"gain": 3.0}, {"offset": 0.7}, {"blur": 9}])
def test_a_plan_that_sees_otherwise_is_refused(tmp_path: Path, model: Engine, wrong: dict[str, float]) -> None:
    with pytest.raises(EngineError, match="sees otherwise than its model on simulated parts"):
        try_out(model, engine(tmp_path, **wrong), None)


def test_silence_of_a_blind_plan_proves_nothing_where_its_model_marks_nothing_either(tmp_path: Path) -> None:
    faint = engine(tmp_path, gain=0.5, offset=0.0)  # sees every difference, and marks none
    assert (faint.infer(*simulated_tiles(faint.info)) < faint.info.threshold).all()
    with pytest.raises(EngineError, match="sees otherwise"):
        try_out(faint, engine(tmp_path, gain=0.0, offset=0.0), None)


class BlindOnWhite(OnnxRuntimeEngine):
    """Sees nothing where the whole template is white, as no simulated one is."""

    def _infer(self, test: Tiles, template: Tiles) -> ScoreMaps:
        return super()._infer(test, template) * np.float32(template.min() < 255)


def test_what_differs_on_tiles_of_the_line_alone_is_found(tmp_path: Path, model: Engine) -> None:
    template = np.full((1, HEIGHT, WIDTH, 3), 255, np.uint8)
    test = template.copy()
    test[0, 40:50, 60:75] = 0
    blind = BlindOnWhite(read_model(tmp_path / "m.onnx"), 1)
    assert try_out(model, blind, None)
    with pytest.raises(EngineError, match="on tiles of the line"):
        try_out(model, blind, (test, template))


def test_tiles_that_are_torn_or_of_another_size_count_as_not_there(tmp_path: Path, model: Engine) -> None:
    assert kept_tiles(tmp_path, model.info) is None
    keep_tiles(tmp_path, *(np.zeros((2, HEIGHT, WIDTH + 1, 3), np.uint8),) * 2)
    assert kept_tiles(tmp_path, model.info) is None
    tiles = np.zeros((20, HEIGHT, WIDTH, 3), np.uint8)
    keep_tiles(tmp_path, tiles, tiles)
    kept = kept_tiles(tmp_path, model.info)
    assert kept is not None
    assert len(kept[0]) == 8
    content = (tmp_path / KEPT).read_bytes()
    for torn in (content[: len(content) // 2], b"", b"PK"):
        (tmp_path / KEPT).write_bytes(torn)
        assert kept_tiles(tmp_path, model.info) is None
