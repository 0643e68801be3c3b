"""A benchmark's text says what was run on what, and nothing of where files lie on this machine."""

from __future__ import annotations

import sys

import pytest

from benchmarks import record
from edge_agent.engines import ModelInfo
from edge_agent.errors import UsageError

MODEL = ModelInfo("compact", "1", "pair", 0.5, "ab" * 32, 480, 640)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(sys, "argv", ["x", "--model", "/somewhere/secret/probe.onnx", "--jobs", "3"])
    return tmp_path / "results"


def write(*, keep: bool) -> None:
    record.record("speed", claim="fast", data="none", model=MODEL, result="1 ms", keep=keep)


def test_a_kept_result_stands_under_a_header_with_command_model_and_machine(results, capsys) -> None:
    write(keep=True)
    text = (results / "speed.txt").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "python -m benchmarks.speed --model probe.onnx --jobs 3" in text
    assert "secret" not in text
    assert MODEL.digest in text
    assert "cores" in text
    assert text.rstrip().endswith("1 ms")


def test_a_run_on_a_part_is_printed_and_leaves_the_kept_result_alone(results, capsys) -> None:
    write(keep=False)
    assert "1 ms" in capsys.readouterr().out
    assert not results.exists()


def test_missing_data_is_one_line_that_names_the_variable(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MATECHECK_DATA", str(tmp_path))
    with pytest.raises(UsageError, match="set MATECHECK_DATA"):
        record.data_folder("deeppcb")
    with pytest.raises(SystemExit) as ended:
        record.run(lambda: record.data_folder("deeppcb"))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("benchmark: ")
