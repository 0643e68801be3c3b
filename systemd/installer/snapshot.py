"""What small files were before the installation, so that a failed one leaves them as they were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from installer import files


@dataclass(frozen=True)
class Snapshot:
    """Content, permissions and group by path; None for a file that was not there."""

    files: dict[Path, tuple[bytes, int, int] | None]

    @classmethod
    def take(cls, paths: Iterable[Path]) -> Snapshot:
        """Read all that is there."""
        return cls({path: _read(path) for path in paths})

    def restore(self) -> None:
        """Write back what has changed, delete what has come."""
        for path, before in self.files.items():
            if before is None:
                path.unlink(missing_ok=True)
            elif _read(path) != before:
                files.write(path, before[0], before[1], before[2])


def _read(path: Path) -> tuple[bytes, int, int] | None:
    if not path.is_file():
        return None
    status = path.stat()
    return path.read_bytes(), status.st_mode & 0o7777, status.st_gid
