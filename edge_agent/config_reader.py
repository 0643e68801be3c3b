"""TOML text -> frozen dataclasses, with every error found and each one placed: file, line, key, value, mend.

A section is a frozen dataclass. The type of a field says what its key may hold: str, int, float, bool, Path, Literal,
and any of them with `| None` (an empty text means None). A field without a default must be given. What types cannot
say, the dataclass checks itself and raises ConfigError with the key in `where`.
"""

from __future__ import annotations

import difflib
import re
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edge_agent.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Section = TypeVar("Section")
MAX_BYTES = 256 * 1024
LARGEST = 2**53  # as far as a float counts exactly

WORDS: dict[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
}


class ConfigProblems(ConfigError):  # noqa: N818 - several problems are one error
    """Everything that is wrong with one file; `lines` holds one printable line a problem, in the order of the file."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__(f"{len(lines)} problems")
        self.lines = tuple(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class TomlFile:
    """One TOML file: hands out typed sections and collects what is wrong.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise ConfigError(f"has {size} bytes, which no agent.toml has", where=str(path), mend="check the path")
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise ConfigError(
                "there is no such file", where=str(path), mend="give the path of an agent.toml"
            ) from error
        except IsADirectoryError as error:
            raise ConfigError("is a folder", where=str(path), mend="give the path of an agent.toml") from error
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
            raise ConfigError(what, where=str(path), mend="check file and permissions") from error
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            what = f"not UTF-8: byte 0x{error.object[error.start]:02x}"
            raise ConfigError(what, where=f"{path}:{line}", mend="save the file as UTF-8") from error
        try:
            self.tables: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _syntax_error(path, text, str(error)) from error
        except (ValueError, RecursionError) as error:  # a number of 4,301 digits, 500 brackets in each other
            what = str(error).partition(";")[0]
            raise ConfigError(f"not TOML for Python: {what}", where=str(path), mend="take that value out") from error
        self._lines = dict(_key_lines(text))
        self._found: list[tuple[int, str]] = []

    def refuse_unknown_sections(self, known: Sequence[str]) -> None:
        """Note each top-level key that is none of `known`."""
        for name in self.tables:
            if name not in known:
                self.note(name, f"[{name}] is an unknown section", _nearest(name, known, "sections"))

    def section(self, name: str, kind: type[Section]) -> Section | None:
        """The section as its dataclass, relative paths put under the folder of the file; None if no such can be made.

        A wrong value is noted and replaced by its default, so that the rest of the section is checked all the same.
        """
        table = self.tables.get(name, {})
        if not isinstance(table, dict):
            self.note(name, f"{name} = {_shown(table)} is not a section", f"write [{name}] and its keys below it")
            return None
        known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
        for key in table.keys() - known.keys():
            self.note(f"{name}.{key}", f"{key} = {_shown(table[key])} is an unknown key", _nearest(key, known, "keys"))
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        for key in table.keys() & known.keys():
            try:
                values[key] = self._typed(key, table[key], hints[key])
            except ConfigError as error:
                self.note(f"{name}.{key}", error.what, error.mend)
        missing = [key for key, field in known.items() if key not in table and not _has_default(field)]
        for key in missing:
            self.note(name, f"{key} is missing in [{name}]", f"add {key} = {_words(hints[key])}")
        if any(key not in values and not _has_default(field) for key, field in known.items()):
            return None
        return self._built(name, kind, known, values)

    def note(self, key: str, what: str, mend: str) -> None:
        """Remember one problem; `key` ("section.key" or "section") finds the line."""
        line = self._lines.get(key) or self._lines.get(key.partition(".")[0], 0)
        where = f"{self.path}:{line}" if line else str(self.path)
        self._found.append((line or sys.maxsize, f"{where}: {what}; {mend}" if mend else f"{where}: {what}"))

    def raise_problems(self) -> None:
        """Raise ConfigProblems, in the order of the file, if anything was noted."""
        if self._found:
            raise ConfigProblems([line for _, line in sorted(self._found, key=lambda found: found[0])])

    def _built(
        self, name: str, kind: type[Section], known: dict[str, Field[Any]], values: dict[str, Any]
    ) -> Section | None:
        for key, field in known.items():
            if key not in values and isinstance(field.default, Path):
                values[key] = self.beside(field.default)
        refused: set[str] = set()
        while True:
            try:
                return kind(**values)
            except ConfigError as error:
                key = error.where
                if key not in values and key in refused:  # its default is as wrong as what stood there
                    return None
                refused.add(key)
                shown = f"{key} = {_shown(values[key])} " if key in values else f"{key} "
                self.note(f"{name}.{key}", shown + error.what, error.mend)
                if key not in values or not _has_default(known[key]):
                    return None
                del values[key]

    def beside(self, path: Path) -> Path:
        """A path of the file as an absolute one."""
        return self.path.absolute().parent / path.expanduser()

    def _typed(self, key: str, value: Any, hint: Any) -> Any:
        optional = get_origin(hint) in (Union, types.UnionType)
        kind = next(arm for arm in get_args(hint) if arm is not type(None)) if optional else hint
        if optional and value == "":
            return None
        if get_origin(kind) is Literal:
            if value in get_args(kind):
                return value
            raise ConfigError(f"{key} = {_shown(value)} is no choice", mend=_nearest(value, get_args(kind), "choices"))
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{key} = {value!a} holds a null character", mend="take it out")
        if kind is Path and isinstance(value, str) and value:
            return self.beside(Path(value))
        if type(value) is int and abs(value) > LARGEST:
            raise ConfigError(f"{key} = {_shown(value)[:20]}… is too large", mend="give fewer digits")
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ConfigError(f"{key} = {_shown(value)} has the wrong type", mend=f"give {_words(hint)}")
        return value


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _words(hint: Any) -> str:
    arms = [arm for arm in get_args(hint) if arm is not type(None)]
    if get_origin(hint) is Literal:
        return " or ".join(f'"{choice}"' for choice in arms)
    return _words(arms[0]) if arms else WORDS[hint]


def _nearest(word: object, known: Sequence[str] | dict[str, Any], what: str) -> str:
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else f"the {what} are {', '.join(known)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return f'"{value}"' if isinstance(value, (str, Path)) else str(value)
    except RecursionError:  # a dotted key of some hundred levels
        return "too many levels"


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    lines = text.splitlines() or [""]
    place = re.search(r"\(at line (\d+), column \d+\)", message)
    number = int(place[1]) if place else len(lines)
    what = message.partition(" (at ")[0]
    shown = lines[min(number, len(lines)) - 1].strip()
    return ConfigError(f"not TOML: {what}: {shown}", where=f"{path}:{number}", mend="check quotes and brackets there")


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """Each "section" and "section.key" with its line, counted from 1; tomllib does not tell them."""
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]#]+?)\s*\]+", line):
            section = header[1].replace('"', "")
            yield section, number
        elif key := re.match(r"\s*([\w.\"-]+)\s*=", line):
            name = key[1].replace('"', "")
            yield (f"{section}.{name}" if section else name), number
