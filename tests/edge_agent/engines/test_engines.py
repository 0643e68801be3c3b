from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from edge_agent.engines import load_engine
from edge_agent.errors import EngineError, ModelError
from tests.support.models import write_dead_channel_model, write_difference_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_difference_model(tmp_path / "m.onnx", height=24, width=32)


def tiles(n: int, value: int = 0) -> np.ndarray:
    return np.full((n, 24, 32, 3), value, np.uint8)


def test_a_model_says_what_it_is(model: Path) -> None:
    info = load_engine(model).info
    assert (info.network, info.version, info.kind, info.threshold) == ("difference", "1", "pair", 0.5)
    assert (info.height, info.width, info.precision) == (24, 32, "fp32")
    assert info.digest == hashlib.sha256(model.read_bytes()).hexdigest()


def test_every_tile_of_a_batch_gets_its_own_score_map(model: Path) -> None:
    test = tiles(9)
    for n in range(9):
        test[n, 4:10, 5:11] = 20 * n
    scores = load_engine(model, threads=1).infer(test, tiles(9))
    assert scores.shape == (9, 24, 32)
    assert scores.dtype == np.float32
    expected = np.clip(5 * 20 * np.arange(9) / 255 - 0.5, 0, 1)
    np.testing.assert_allclose(scores[:, 7, 8], expected, atol=1e-5)
    assert scores[:, 15:].max() == 0


def test_no_tiles_are_no_score_maps(model: Path) -> None:
    assert load_engine(model).infer(tiles(0), tiles(0)).shape == (0, 24, 32)


def test_tiles_of_another_size_are_refused(model: Path) -> None:
    with pytest.raises(EngineError, match=r"test must be uint8 \[N, 24, 32, 3\], but got uint8 \[1, 24, 31, 3\]"):
        load_engine(model).infer(tiles(1)[:, :, :31], tiles(1))


def test_a_closed_engine_says_so(model: Path) -> None:
    engine = load_engine(model)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(tiles(1), tiles(1))


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ({"network": ""}, "metadata has no network"),
        ({"kind": "triple"}, 'kind must be "pair" or "single"'),
        ({"kind": "single"}, "inputs must be test, but got test, template"),
        ({"threshold": "high"}, 'threshold must be between 0 and 1, but got "high"'),
        ({"threshold": "nan"}, "threshold must be between 0 and 1"),
    ],
)
def test_a_model_that_breaks_the_contract_is_refused(tmp_path: Path, metadata: dict[str, str], complaint: str) -> None:
    path = write_difference_model(tmp_path / "m.onnx", height=24, width=32, metadata=metadata)
    with pytest.raises(ModelError, match=complaint) as caught:
        load_engine(path)
    assert caught.value.where == str(path)
    assert caught.value.mend


def test_a_model_with_float_inputs_is_refused(tmp_path: Path) -> None:
    path = write_difference_model(tmp_path / "m.onnx", height=24, width=32, dtype=TensorProto.FLOAT)
    with pytest.raises(ModelError, match=r"must be uint8 \[N, 24, 32, 3\], but got float32"):
        load_engine(path)


def test_a_model_with_another_output_is_refused(tmp_path: Path) -> None:
    path = write_difference_model(tmp_path / "m.onnx", height=24, width=32, output="mask")
    with pytest.raises(ModelError, match="output must be score, but got mask"):
        load_engine(path)


@pytest.mark.parametrize("content", [b"", b"this is no model", b"\x08\x09" * 1000])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_engine(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_model_is_refused(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-200])
    with pytest.raises(ModelError):
        load_engine(model)


def test_a_missing_model_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        load_engine(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="is not a file"):
        load_engine(tmp_path)


def test_an_unknown_back_end_is_refused(model: Path) -> None:
    with pytest.raises(EngineError, match='no back end "abacus"; choose one of'):
        load_engine(model, backend="abacus")


def test_the_bias_of_a_channel_without_weights_is_kept_in_int8_with_half(tmp_path: Path) -> None:
    engine = load_engine(write_dead_channel_model(tmp_path / "m.onnx", bias=0.75), threads=1)
    picture = np.zeros((2, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(engine.infer(picture, picture), 0.75, atol=1e-3)
