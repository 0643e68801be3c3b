from __future__ import annotations

from pathlib import Path

import pytest

from build_engine.cli.main import main
from tests.support.photographs import write_photographs


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "--batch", "0"], "--batch: must be a whole number, 1 or more, but got 0"),
        (["train", "--iterations", "many"], "--iterations: must be a whole number, 1 or more, but got many"),
        (["train", "--width", "nan"], "--width: must be above 0 and at most 16, but got nan"),
        (["train", "--learning-rate", "0"], "--learning-rate: must be above 0, but got 0"),
        (["train", "--weight-decay", "-1"], "--weight-decay: must be at least 0, but got -1"),
        (["train", "--threads", "-1"], "--threads: must be a whole number, 0 or more, but got -1"),
        (["samples", "--count", "0"], "--count: must be a whole number, 1 or more"),
        (["samples", "--seed", "-1"], "--seed: must be a whole number, 0 or more"),
        (["export", "run", "--threshold", "7"], "--threshold: must be above 0 and at most 1"),
        (["evaluate", "--simulated", "3", "--threshold", "0"], "--threshold: must be above 0 and at most 1"),
    ],
)
def test_a_number_out_of_its_limits_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("output", ["sheet.foo", ".", "file/sheet.png"])
def test_a_contact_sheet_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photographs(tmp_path / "photographs", 1)
    (tmp_path / "file").touch()
    assert main(["samples", "--photographs", "photographs", "--count", "1", "--output", output]) == 2
    err = capsys.readouterr().err
    assert "cannot be written; name a PNG file" in err
    assert err.count("\n") == 1
