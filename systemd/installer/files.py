"""Files that are there completely or not at all, whenever the power goes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes, mode: int = 0o644, group: int = -1) -> None:
    """Write a file aside, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            if group >= 0:
                os.fchown(descriptor, 0, group)
            file.flush()
            os.fsync(descriptor)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def link(path: Path, target: str) -> None:
    """Make a symlink, or let the one that is there lead elsewhere in one step."""
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target)
    aside.replace(path)
    _sync_folder(path.parent)


def same(path: Path, content: bytes) -> bool:
    """Whether the file is there and holds this."""
    return path.is_file() and path.read_bytes() == content


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
