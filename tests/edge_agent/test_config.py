"""agent.toml: what is right is typed, what is wrong is named with its line and its mend."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from edge_agent.config import SECTIONS, Settings, load
from edge_agent.config_reader import ConfigProblems, TomlFile
from edge_agent.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "docs" / "agent.example.toml"
MINIMAL = """\
[camera]
kind = "simulated"
[recipe]
folder = "recipes/a"
[mqtt]
topic_base = "plant/cell"
"""


def _load(folder: Path, text: str) -> Settings:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def _problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigProblems) as caught:
        _load(folder, text)
    return tuple(line.replace(f"{folder}/", "") for line in caught.value.lines)


def test_the_example_in_the_documentation_loads() -> None:
    assert load(EXAMPLE).mqtt.topic_base == "plant1/assembly/line3/cell2/jetson-07"


def test_the_example_shows_every_key_with_its_default(tmp_path: Path) -> None:
    tables = TomlFile(EXAMPLE).tables
    assert {name: set(table) for name, table in tables.items()} == {
        name: {field.name for field in fields(kind)} for name, kind in SECTIONS.items()
    }
    minimal = _load(tmp_path, MINIMAL)
    example = _load(tmp_path, EXAMPLE.read_text(encoding="utf-8"))
    for name in ("camera", "gige", "engine", "trigger", "results", "health"):
        assert getattr(minimal, name) == getattr(example, name)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = _load(tmp_path, MINIMAL.replace('"simulated"', '"folder"\nsource = "parts"'))
    assert settings.recipe.folder == tmp_path / "recipes" / "a"
    assert settings.results.folder == tmp_path / "results"
    assert settings.camera.source == str(tmp_path / "parts")


@pytest.mark.parametrize("source", ["0", "/dev/video0", "rtsp://camera.local/stream"])
def test_devices_and_addresses_are_no_relative_paths(tmp_path: Path, source: str) -> None:
    settings = _load(tmp_path, MINIMAL.replace('"simulated"', f'"video"\nsource = "{source}"'))
    assert settings.camera.source == source
    assert settings.camera.live


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert _problems(tmp_path, MINIMAL + "prot = 1884\n") == (
        'agent.toml:7: prot = 1884 is an unknown key; did you mean "port"?',
    )


def test_an_unknown_section_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert _problems(tmp_path, MINIMAL + "[engin]\n") == (
        'agent.toml:7: [engin] is an unknown section; did you mean "engine"?',
    )


def test_all_errors_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
[camera]
kind = "foldr"
[trigger]
interval_s = "fast"
queue = 0
deadline_s = 1e9
[mqtt]
topic_base = "plant/cell"
port = 70000
keepalive_s = 0
colour = true
"""
    problems = _problems(tmp_path, text)
    assert [int(re.match(r"agent.toml:(\d+)", line)[1]) for line in problems[:-1]] == [2, 4, 5, 6, 9, 10, 11]  # type: ignore[index]
    assert problems[0] == 'agent.toml:2: kind = "foldr" is no choice; did you mean "folder"?'
    assert problems[1] == 'agent.toml:4: interval_s = "fast" has the wrong type; give a number'
    assert problems[2] == "agent.toml:5: queue = 0 is out of range; give 1 to 10000"
    assert problems[-1] == "agent.toml: folder is missing in [recipe]; add folder = a path in quotes"


def test_text_that_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml:2: not TOML: .*kind = folder; check quotes"):
        _load(tmp_path, "[camera]\nkind = folder\n")


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml: there is no such file; give the path"):
        load(tmp_path / "agent.toml")


def test_a_folder_in_place_of_the_file_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": is a folder; give the path of an agent\.toml$"):
        load(tmp_path)


def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(MINIMAL.encode() + b'client_id = "Pr\xfcfstand"\n')
    with pytest.raises(ConfigError, match=r"agent\.toml:7: not UTF-8: byte 0xfc; save the file as UTF-8$"):
        load(path)


def test_true_is_no_number(tmp_path: Path) -> None:
    assert "wrong type" in _problems(tmp_path, MINIMAL + "port = true\n")[0]


def test_a_number_that_no_device_needs_is_refused(tmp_path: Path) -> None:
    digits = "9" * 400
    text = MINIMAL.replace('"simulated"', f'"simulated"\nseed = -1\nfps = {digits}')
    problems = _problems(tmp_path, f"{text}[results]\nmin_free_mb = {digits}\n")
    assert problems == (
        "agent.toml:3: seed = -1 is out of range; give 0 to 999999",
        "agent.toml:4: fps = 99999999999999999999… is too large; give fewer digits",
        "agent.toml:10: min_free_mb = 99999999999999999999… is too large; give fewer digits",
    )


def test_folder_mode_needs_a_folder_that_ends(tmp_path: Path) -> None:
    assert "needs a camera of kind" in _problems(tmp_path, MINIMAL + '[trigger]\nmode = "folder"\n')[0]


def test_the_mode_of_a_light_barrier_needs_a_camera_that_one_can_trigger(tmp_path: Path) -> None:
    text = MINIMAL + '[trigger]\nmode = "camera"\n'
    assert 'needs a camera of kind "gige"' in _problems(tmp_path, text)[0]
    assert _load(tmp_path, text.replace('"simulated"', '"gige"')).gige.trigger_line == "Line1"


def test_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    assert _load(tmp_path, "\ufeff" + MINIMAL.replace("\n", "\r\n")).mqtt.topic_base == "plant/cell"


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000])
def test_toml_that_python_cannot_hold_is_an_error_of_the_file(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"agent\.toml.*: not TOML"):
        _load(tmp_path, f"a = {value}")


def test_a_text_that_no_name_can_be_is_refused(tmp_path: Path) -> None:
    text = MINIMAL.replace("recipes/a", r"a\u0000b") + '[device]\nname = "a\\nb"\n'
    null, newline = _problems(tmp_path, text)
    assert null == r"agent.toml:4: folder = 'a\x00b' holds a null character; take it out"
    assert newline.startswith("agent.toml:8: name = ")
    assert "must be at most 100 printable characters" in newline


def test_a_key_that_is_missing_is_missed_once(tmp_path: Path) -> None:
    text = MINIMAL.replace('"simulated"', '"folder"\nsource = ""')
    assert _problems(tmp_path, text) == ('agent.toml:3: source = "" is missing; name the source of the folder camera',)
