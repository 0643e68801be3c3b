"""Wheels of what is installed here, made again from its files: a folder to install from, without a network."""

from __future__ import annotations

import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def write_wheels(folder: Path, *names: str) -> None:
    """A wheel for each of these distributions and for all that they need."""
    folder.mkdir(parents=True, exist_ok=True)
    todo, done = list(names), set[str]()
    while todo:
        found = distribution(todo.pop())
        if found.metadata["Name"] in done:
            continue
        done.add(found.metadata["Name"])
        _write(found, folder)
        needed = [Requirement(text) for text in found.requires or []]
        todo += [need.name for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]


def _write(found: Distribution, folder: Path) -> None:
    tags = [line.partition(": ")[2] for line in (found.read_text("WHEEL") or "").splitlines() if line[:4] == "Tag:"]
    parts = [".".join(dict.fromkeys(column)) for column in zip(*(tag.split("-") for tag in tags), strict=True)]
    name = found.metadata["Name"].replace("-", "_").replace(".", "_")
    with zipfile.ZipFile(folder / f"{name}-{found.version}-{'-'.join(parts)}.whl", "w") as wheel:
        for file in found.files or []:
            if file.suffix != ".pyc" and not str(file).startswith("..") and Path(str(file.locate())).is_file():
                wheel.write(str(file.locate()), str(file))
