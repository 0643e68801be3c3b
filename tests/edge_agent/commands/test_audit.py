import json
import logging
from pathlib import Path
from typing import Any

import pytest

from edge_agent.commands.audit import AuditLog

REFUSED = {"command": "inspect", "accepted": False, "code": "invalid", "reason": "part_id is missing"}


def test_the_files_together_stay_within_the_limit_and_keep_the_newest(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl", 20_000, lambda entry: None, lambda: True)
    for number in range(500):
        audit.write("inspect", {"number": number}, {}, REFUSED)
    audit.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["audit.jsonl", "audit.jsonl.1"]
    assert sum(file.stat().st_size for file in files) <= 20_000
    numbers = [json.loads(line)["asked"]["number"] for file in reversed(files) for line in file.open()]
    assert numbers == list(range(numbers[0], 500))


def test_what_a_sender_writes_stays_one_short_line(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl", 1_000_000, lambda entry: None, lambda: False)
    audit.write("x\n" * 5000, b"\xff\nforged line\n" * 500, {}, REFUSED)
    audit.close()
    (line,) = (tmp_path / "audit.jsonl").read_text(encoding="ascii").splitlines()
    assert len(line) < 3000
    assert json.loads(line)["clock_synced"] is False


def test_a_disk_that_takes_nothing_is_said_once_and_the_entry_is_published_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published: list[dict[str, Any]] = []
    (tmp_path / "audit.jsonl").mkdir()
    with caplog.at_level(logging.ERROR):
        audit = AuditLog(tmp_path / "audit.jsonl", 1000, published.append, lambda: True)
        for _ in range(3):
            audit.write("pause", {}, {}, {"command": "pause", "accepted": True, "reason": None})
    assert caplog.text.count("audit-not-written") == 1
    assert len(published) == 3


def test_a_full_disk_does_not_keep_the_agent_from_ending(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    audit = AuditLog(tmp_path / "audit.jsonl", 1000, lambda entry: None, lambda: True)
    audit.write("inspect", {}, {}, REFUSED)
    audit.close()
