"""A folder of images as a camera."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from pathlib import Path

from edge_agent.cameras.camera import Camera, Frame
from edge_agent.errors import CameraError
from edge_agent.images import read_image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class FolderCamera(Camera):
    """The images of a folder in the natural order of their names: part-2 comes before part-10.

    An image that cannot be read is not passed over in silence: `read` raises ImageError that names it, and the next
    `read` goes on with the next image.

    Args:
        folder: holds the images; folders in it are not looked at.
        loop: begin again after the last image.
    """

    def __init__(self, folder: Path, loop: bool = False) -> None:
        self.name = str(folder)
        self._folder, self._loop = folder, loop
        self._paths: list[Path] = []
        self._next = 0
        self._number = 0

    def open(self) -> None:
        """List the folder. Raises CameraError when it is missing or holds no image."""
        try:
            found = [path for path in self._folder.iterdir() if path.suffix.lower() in SUFFIXES]
        except OSError as error:
            raise CameraError(
                f"the folder cannot be read ({error.strerror})", where=self.name, mend="check the path"
            ) from error
        if not found:
            kinds = ", ".join(sorted(SUFFIXES))
            raise CameraError("the folder holds no image", where=self.name, mend=f"put images in it: {kinds}")
        self._paths = sorted(found, key=_natural)
        self._next = 0

    def read(self) -> Frame | None:
        """The next image. Raises ImageError when it cannot be read."""
        if self._next >= len(self._paths):
            if not self._loop or not self._paths:
                return None
            self._next = 0
        path = self._paths[self._next]
        self._next += 1
        image = read_image(path)
        number = self._number
        self._number += 1
        return Frame(image, datetime.now(timezone.utc), time.monotonic_ns(), number, source=str(path))

    def close(self) -> None:
        """Forget the list."""
        self._paths = []


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that compares runs of digits as numbers; the name itself decides between part-1 and part-01."""
    pieces = re.split(r"(\d+)", path.name)
    key = [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece.casefold()) for piece in pieces if piece]
    return [*key, (2, 0, path.name)]
