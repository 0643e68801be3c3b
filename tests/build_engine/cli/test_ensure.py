from pathlib import Path

import pytest

from build_engine.cli.main import main


def test_without_tensorrt_nothing_is_built_and_nothing_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ensure", "--store", str(tmp_path / "engines")]) == 0
    assert "the agent runs on the CPU, nothing is built" in capsys.readouterr().out
    assert not (tmp_path / "engines").exists()
