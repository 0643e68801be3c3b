from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from build_engine.cli.main import main
from build_engine.networks.similarity_contrast import build_network
from build_engine.onnx_export import TOLERANCE, export
from build_engine.training.checkpoint import FILE, Checkpoint
from build_engine.training.settings import TrainingSettings
from edge_agent.engines import load_engine
from edge_agent.errors import ModelError


@pytest.mark.parametrize("name", ["paper", "compact"])
def test_the_exported_file_keeps_the_contract_and_says_what_pytorch_says(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_network(name, 0.2)
    file = tmp_path / "model.onnx"
    assert export(network, file, name=name, version="7", threshold=0.25, size=(128, 192)) <= TOLERANCE
    assert {opset.domain: opset.version for opset in onnx.load(file).opset_import} == {"": 18}
    engine = load_engine(file)
    info = engine.info
    assert (info.network, info.version, info.kind, info.threshold) == (name, "7", "pair", 0.25)
    assert (info.height, info.width) == (128, 192)
    for count in (1, 5):
        pair = np.random.default_rng(count).integers(0, 256, (2, count, 128, 192, 3), dtype=np.uint8)
        with torch.no_grad():
            expected = network(torch.from_numpy(pair[0]), torch.from_numpy(pair[1])).numpy()
        np.testing.assert_allclose(engine.infer(pair[0], pair[1]), expected, atol=TOLERANCE)


def test_a_tile_size_that_does_not_suit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="multiples of 32"):
        export(
            build_network("compact", 0.2), tmp_path / "m.onnx", name="c", version="1", threshold=0.5, size=(100, 100)
        )
    assert not list(tmp_path.iterdir())


def test_the_command_writes_model_and_card_and_keeps_results(tmp_path: Path) -> None:
    weights = build_network("compact", 0.2).state_dict()
    history = [{"iteration": 2.0, "loss": 1.0, "seconds": 60.0, "validation_loss": 0.5}]
    Checkpoint(TrainingSettings(width=0.2, iterations=2), 2, weights, weights, {}, history).save(tmp_path / FILE)
    model, card = tmp_path / "out" / "model.onnx", tmp_path / "out" / "model.md"
    assert main(["export", str(tmp_path), "--output", str(model), "--threshold", "0.3", "--data", "my photos"]) == 0
    assert load_engine(model).info.threshold == 0.3
    text = card.read_text()
    assert "--iterations 2" in text
    assert "GMAC" in text
    assert "| data | my photos |" in text
    card.write_text(text.replace("Not measured yet.", "AP 0.99"))
    assert main(["export", str(tmp_path), "--output", str(model)]) == 0
    assert "AP 0.99" in card.read_text()
