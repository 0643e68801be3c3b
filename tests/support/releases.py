"""Later releases of matecheck, made of a bundle: good ones, and one that no check finds out."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import make_bundle

from edge_agent.results.outbox_schema import VERSION as SCHEMA

_NEW_TABLES = (
    "    if version == VERSION:",
    f"""    if version == {SCHEMA}:
        connection.execute("ALTER TABLE counter ADD COLUMN of_later INTEGER")
        connection.execute("PRAGMA user_version = {SCHEMA + 1}")
        return
    if version == VERSION:""",
)
_FAILURE = """def _tell(self, found: object) -> None:
        if self._recorder.tally.total >= 3:
            raise RuntimeError("a bug that no check has found")

    def _tell_no_more(self, found"""


def write_later(bundle: Path, folder: Path, version: str) -> Path:
    """A copy of the bundle that is this version, and nothing else; returns its folder."""
    shutil.copytree(bundle, folder)
    (old,) = folder.glob("wheels/matecheck-*.whl")
    before = old.name.split("-")[1]
    new = old.with_name(old.name.replace(before, version))
    with zipfile.ZipFile(old) as source, zipfile.ZipFile(new, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(("/METADATA", "/RECORD", "edge_agent/__init__.py")):
                content = content.replace(before.encode(), version.encode())
            target.writestr(name.replace(f"matecheck-{before}", f"matecheck-{version}"), content)
    old.unlink()
    (folder / "VERSION").write_text(f"{version}\n", encoding="ascii")
    _write_sums(folder)
    return folder


def write_broken(bundle: Path, folder: Path, version: str) -> Path:
    """A later one that changes the tables of the outbox, records in it, and then fails; returns its folder."""
    write_later(bundle, folder, version)
    (wheel,) = folder.glob("wheels/matecheck-*.whl")
    _edit(wheel, "edge_agent/results/outbox_schema.py", (f"VERSION = {SCHEMA}", f"VERSION = {SCHEMA + 1}"), _NEW_TABLES)
    _edit(wheel, "edge_agent/agent.py", ("def _tell(self, found", _FAILURE))
    _write_sums(folder)
    return folder


def _edit(wheel: Path, file: str, *changes: tuple[str, str]) -> None:
    edited = wheel.with_name("edited")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(edited, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == file:
                text = content.decode()
                for before, after in changes:
                    assert before in text, before
                    text = text.replace(before, after, 1)
                content = text.encode()
            new.writestr(name, content)
    edited.rename(wheel)


def _write_sums(folder: Path) -> None:
    (folder / make_bundle.SUMS).unlink()
    (folder / make_bundle.SUMS).write_text(make_bundle.sums(folder), encoding="utf-8")
