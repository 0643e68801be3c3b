import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.engines.manifest import CalibrationRecord, GateRecord, Manifest
from edge_agent.errors import ModelError, StorageError
from tests.support.artifacts import write_artifact


def test_what_was_written_is_read(tmp_path: Path) -> None:
    manifest = replace(
        write_artifact(tmp_path),
        plan_sha256="b" * 64,
        tensorrt="10.3.0",
        compute_capability="8.7",
        builder={"workspace_mb": 512},
        calibration=CalibrationRecord("a" * 64, 200, "minmax"),
        gate=GateRecord(True, "same verdict on 50 of 50 pairs", {"pairs": 50}),
    )
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest


def test_keys_of_later_versions_are_passed_over(tmp_path: Path) -> None:
    manifest = write_artifact(tmp_path)
    table = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(table | {"colour": "blue"}))
    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_sha256": None}, "model_sha256 must be a sha256"),
        ({"tile": [256]}, "tile must be [height, width]"),
        ({"batch": [0, 1, 2]}, "batch must be"),
        ({"gate": {"passed": "yes"}}, "gate must be"),
        ({"calibration": []}, "calibration must be"),
        ({"schema": "matecheck/engine/9"}, "schema must be"),
        ({"precision": ...}, "precision is missing"),
        ({"plan_sha256": ...}, "plan_sha256 is missing"),
    ],
)
def test_a_manifest_that_lacks_something_is_a_model_error(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    write_artifact(tmp_path)
    path = tmp_path / "manifest.json"
    table = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not ...}))
    with pytest.raises(ModelError, match=r"manifest\.json") as raised:
        Manifest.read(tmp_path)
    assert said in str(raised.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\udcff"])
def test_a_broken_manifest_is_a_model_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError):
        Manifest.read(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        Manifest.read(tmp_path / "none")


def test_a_file_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    manifest = write_artifact(tmp_path)
    manifest.check_files(tmp_path)
    with (tmp_path / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="not the file that the manifest was written for"):
        manifest.check_files(tmp_path)
    with pytest.raises(ModelError, match=r"plan\.engine"):
        replace(write_artifact(tmp_path), plan_sha256="b" * 64).check_files(tmp_path)


def test_a_manifest_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_artifact(tmp_path).write(tmp_path / "none")
