"""Whatever strangers write is refused in our own words. A million more of these: `python -m benchmarks.fuzzing`."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing.targets import COMMANDS, MANIFEST_JSON, Target, targets

NAMES = ("payload", "command", "topic", "config", "recipe", "manifest", "pair", "image", "provisioning")
SEEDED = settings(
    derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
# What parsers of this kind have failed at before.
NASTY = (
    b"",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"[" * 4000,
    b'{"a":' * 2000,
    b"9" * 4000,
    b"1e999",
    b'{"width_px": 1e999}',
    b'{"from_seq": -Infinity, "to_seq": NaN}',
    b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
    b"NaN",
    b'{"part_id":"\\ud800"}',
    b'{"every_s": 1e999, "components": 1e999, "recipe": "a"}',
    b"a = " + b"[" * 2000,
    b"a." * 1500 + b"a = 1",
    b"x = '''" + b"'" * 100,
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("fuzzing"))


@pytest.mark.parametrize("name", NAMES)
def test_what_parsers_have_failed_at_before_is_refused(found: dict[str, Target], name: str) -> None:
    for seed in found[name].seeds:
        found[name].run(seed)
        for nasty in NASTY:
            found[name].run(nasty)
            found[name].run(seed + nasty)
            found[name].run(seed.partition(b"\n")[0] + b"\n" + nasty)
            found[name].run(seed[: len(seed) // 2] + nasty)


@pytest.mark.parametrize("name", NAMES)
@SEEDED
@given(data=st.data())
def test_damaged_input_is_refused(found: dict[str, Target], name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(found[name].seeds))
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    found[name].run(good[:start] + data.draw(st.binary(max_size=40)) + good[end:])


@SEEDED
@given(name=st.sampled_from([name for name, _ in COMMANDS]) | st.text(max_size=10), arguments=JSON)
def test_any_json_as_a_command_is_answered(found: dict[str, Target], name: str, arguments: Any) -> None:
    found["command"].run(name.encode("utf-8", "replace").replace(b"\n", b"") + b"\n" + json.dumps(arguments).encode())


@SEEDED
@given(key=st.sampled_from(sorted(MANIFEST_JSON)), value=JSON)
def test_any_value_in_a_manifest_is_taken_or_refused(found: dict[str, Target], key: str, value: Any) -> None:
    found["manifest"].run(json.dumps(MANIFEST_JSON | {key: value}).encode())


def test_no_picture_takes_more_memory_than_a_device_has(tmp_path: Path) -> None:
    """A few kilobytes that say they are a picture of 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1 << 24), 9)) + chunk(b"IEND", b"")
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb)
    done = subprocess.run(
        [sys.executable, "-m", "edge_agent.cli.main", "teach", str(path), "--out", str(tmp_path / "r")],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30)),
    )  # fmt: skip
    assert done.returncode == 2
    assert "has more pixels than any camera; give a smaller image" in done.stderr
