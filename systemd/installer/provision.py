"""From a provisioning file to the configuration of a device.

A provisioning file is an agent.toml. What it names beside itself (certificates, password, recipe) is copied to its
place on the device, and the copy of the file names it there; all else is taken over to the letter.
"""

from __future__ import annotations

import grp
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer import files
from installer.errors import InstallError
from installer.layout import SECRETS, USER, Layout
from installer.report import Report

SUBJECT = "config"


@dataclass(frozen=True)
class Provisioning:
    """What a provisioning file asks for.

    Attributes:
        text: agent.toml for the device.
        secrets: content by name in the folder of secrets.
        recipe: the folder to copy; None where the file names one that is on the device.
        csi: the camera is one on a CSI connector.
    """

    text: str
    secrets: dict[str, bytes]
    recipe: Path | None
    csi: bool


def read(path: Path, layout: Layout, wheels: Path) -> Provisioning:
    """Read a provisioning file and what it names.

    Args:
        path: the file.
        layout: where things stand on the device.
        wheels: holds tomli, for Python 3.10.

    Raises:
        InstallError: it is no TOML, or a file that it names cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InstallError(f"cannot be read ({error})", where=str(path), mend="check the path") from error
    table = _parse(text, path, wheels)
    secrets = {}
    mqtt = _section(table, "mqtt", path)
    for key, name in SECRETS.items():
        if mqtt.get(key):
            secrets[name] = _content(path, key, mqtt[key])
            text = _replaced(text, "mqtt", key, f"secrets/{name}", path)
    folder = Path(str(_section(table, "recipe", path).get("folder", "")))
    recipe = None if folder.is_absolute() else path.parent / folder
    if recipe is not None:
        if not (recipe / "recipe.toml").is_file():
            raise InstallError(
                "is no recipe", where=f'{path}: folder = "{folder}"', mend="make it with edge-agent teach, put it there"
            )
        text = _replaced(text, "recipe", "folder", str(layout.state / "recipes" / recipe.resolve().name), path)
    library = _section(table, "recipe", path).get("library")
    if library and not Path(str(library)).is_absolute():
        text = _replaced(text, "recipe", "library", str(layout.state / "recipes"), path)
    text = _with_results(text, table, layout, path)
    text = _with_store(text, table, layout, path)
    return Provisioning(text, secrets, recipe, _camera_is_csi(table, path))


def is_csi(config: Path, wheels: Path) -> bool:
    """Whether a configuration on the device asks for a CSI camera. Raises InstallError if it is no TOML."""
    return _camera_is_csi(_parse(config.read_text(encoding="utf-8-sig"), config, wheels), config)


def apply(wanted: Provisioning, layout: Layout, report: Report) -> None:
    """Put configuration, secrets and recipe in place. A configuration that was different is kept beside it."""
    _apply_config(wanted.text.encode(), layout.config, report)
    for name, content in wanted.secrets.items():
        _put(layout.secrets / name, content, report)
    if wanted.recipe is not None:
        _apply_recipe(wanted.recipe, layout.state / "recipes" / wanted.recipe.resolve().name, report)


def _apply_config(content: bytes, path: Path, report: Report) -> None:
    if files.same(path, content):
        report.unchanged(SUBJECT, str(path))
        return
    old = path.read_bytes() if path.is_file() else None
    kept = f"; what was there is kept as {path.name}.old" if old is not None else ""
    if report.changes(SUBJECT, f"write {path}{kept}"):
        group = grp.getgrnam(USER).gr_gid
        if old is not None:
            files.write(path.with_name(f"{path.name}.old"), old, 0o640, group)
        files.write(path, content, 0o640, group)


def _put(path: Path, content: bytes, report: Report) -> None:
    if files.same(path, content):
        report.unchanged(SUBJECT, str(path))
    elif report.changes(SUBJECT, f"write {path}, for root alone"):
        files.write(path, content, 0o600)


def _apply_recipe(source: Path, place: Path, report: Report) -> None:
    """Copy a recipe, unless there is one: limits that were set at the line are worth more than those of the desk."""
    if place.exists():
        report.unchanged("recipe", f"{place} is there already, and stays as it is")
    elif report.changes("recipe", f"copy {source} to {place}"):
        aside = place.with_name(f".{place.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(source, aside)
        for path in (aside, *aside.rglob("*")):
            shutil.chown(path, USER, USER)
        aside.rename(place)


def _with_results(text: str, table: dict[str, Any], layout: Layout, path: Path) -> str:
    """Results go where the service may write."""
    place = str(layout.state / "results")
    results = _section(table, "results", path)
    if "results" not in table:
        return f'{text.rstrip()}\n\n[results]\nfolder = "{place}"\n'
    if "folder" not in results:
        return re.sub(r"(?m)^(\s*\[results\].*)$", rf'\1\nfolder = "{place}"', text, count=1)
    folder = Path(str(results["folder"]))
    if folder.is_absolute() and folder != Path(place):
        raise InstallError(
            f"the service may write to {place} alone",
            where=f'{path}: [results] folder = "{folder}"',
            mend=f"leave the key away; to use another disk, mount it at {place}",
        )
    return _replaced(text, "results", "folder", place, path)


def _with_store(text: str, table: dict[str, Any], layout: Layout, path: Path) -> str:
    """Engines come from the store that the service for engines fills, unless the file says otherwise."""
    place = str(layout.state / "engines")
    engine = _section(table, "engine", path)
    if engine.get("store") or engine.get("model"):
        return text
    if "engine" not in table:
        return f'{text.rstrip()}\n\n[engine]\nstore = "{place}"\n'
    if "store" not in engine:
        return re.sub(r"(?m)^(\s*\[engine\].*)$", rf'\1\nstore = "{place}"', text, count=1)
    return _replaced(text, "engine", "store", place, path)


def _camera_is_csi(table: dict[str, Any], path: Path) -> bool:
    camera = _section(table, "camera", path)
    source = str(camera.get("source", ""))
    return camera.get("kind") == "gstreamer" and (source.startswith("csi") or "nvarguscamerasrc" in source)


def _section(table: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = table.get(name, {})
    if not isinstance(section, dict):
        raise InstallError(f"{name} is no section", where=str(path), mend=f"write [{name}] and its keys below it")
    return section


def _content(path: Path, key: str, value: object) -> bytes:
    """What a key's file holds. An absolute path may be one of this machine, too."""
    try:
        content = (path.parent / str(value)).read_bytes()
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or error
        raise InstallError(
            f"cannot be read ({what})", where=f'{path}: {key} = "{value}"', mend="put it beside the provisioning file"
        ) from error
    if not content.strip():
        raise InstallError("is empty", where=f'{path}: {key} = "{value}"', mend="write the file, or remove the key")
    return content


def _replaced(text: str, section: str, key: str, value: str, path: Path) -> str:
    """The text with another value at one key; comments and all else stay. Raises InstallError if it has no own line."""
    lines, inside = text.splitlines(), False
    for number, line in enumerate(lines):
        if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
            inside = header[1].strip('"') == section
        elif inside and re.match(rf'\s*"?{key}"?\s*=', line):
            lines[number] = f"{key} = {json.dumps(value, ensure_ascii=False)}"
            return "\n".join(lines) + "\n"
    raise InstallError(
        f"[{section}] {key} has no line of its own", where=str(path), mend=f'write {key} = "…" on a line'
    )


def _parse(text: str, path: Path, wheels: Path) -> dict[str, Any]:
    try:
        return dict(_toml(wheels).loads(text))
    except (ValueError, RecursionError) as error:
        raise InstallError(
            f"is not TOML: {error}", where=str(path), mend="try it with edge-agent check-config"
        ) from error


def _toml(wheels: Path) -> Any:
    """The TOML reader: of Python itself, or for 3.10 the one among the wheels, read out of its file."""
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - there since 3.11

        return tomllib
    found = sorted(wheels.glob("tomli-*-none-any.whl"))
    if not found:
        raise InstallError("there is no wheel of tomli for any Python", where=str(wheels), mend="make the folder again")
    sys.path.insert(0, str(found[-1]))
    import tomli  # noqa: PLC0415 - there since the line above

    return tomli
