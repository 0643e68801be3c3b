"""The pictures that the demo leaves: thumbnails as they came, and test beside template for parts worth a look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.demo.score import Row
from edge_agent.errors import StorageError
from edge_agent.images import write_image

MARGIN = 40  # pixels around the region
GAP = 8
RED, AMBER, WHITE = (60, 60, 255), (0, 190, 255), (240, 240, 240)


class Pictures:
    """Writes into one folder; pictures of an earlier demo in it are removed first.

    Raises:
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path, template: NDArray[np.uint8], region: list[tuple[float, float]]) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("part-[0-9]*.jpg"):
                old.unlink()
        except OSError as error:
            why = f"cannot be written ({error.strerror})"
            raise StorageError(why, where=str(folder), mend="name another folder with --output") from error
        self._template = template
        corners = np.array(region)
        low = np.maximum(corners.min(axis=0).astype(int) - MARGIN, 0)
        high = corners.max(axis=0).astype(int) + MARGIN
        self._view = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
        write_image(folder / "template.jpg", template)

    def thumbnail(self, row: Row, jpeg: bytes) -> None:
        """Keep a thumbnail as it came."""
        (self.folder / f"{_name(row)}.jpg").write_bytes(jpeg)

    def sheet(self, row: Row, image: NDArray[np.uint8], result: dict[str, Any]) -> None:
        """Test and template of a part side by side, or one above the other where the face is wide."""
        test = image.copy()
        if row.truth.bbox_px:
            x0, y0, x1, y1 = row.truth.bbox_px
            cv2.rectangle(test, (x0 - 7, y0 - 7), (x1 + 6, y1 + 6), WHITE, 1, cv2.LINE_AA)
        for component in result["components"]:
            corners = np.round(np.array(component["box_px"])).astype(np.int32)
            colour = RED if component["rejected"] else AMBER
            cv2.polylines(test, [corners], isClosed=True, color=colour, thickness=1, lineType=cv2.LINE_AA)
        title = f"part {row.part}: {row.verdict.value} (red: rejected, amber: seen, white: what really lies there)"
        views = [_titled(test[self._view], title), _titled(self._template[self._view], "template")]
        height, width = views[0].shape[:2]
        gap = np.full((GAP, width, 3) if width > height else (height, GAP, 3), 255, np.uint8)
        sheet = np.concatenate([views[0], gap, views[1]], axis=0 if width > height else 1)
        write_image(self.folder / f"{_name(row)}-sheet.jpg", np.asarray(sheet, np.uint8))


def _name(row: Row) -> str:
    return "-".join((f"part-{row.part:03d}", row.truth.kind or "clean", row.verdict.value))


def _titled(view: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    bar = np.full((30, view.shape[1], 3), 40, np.uint8)
    cv2.putText(bar, title, (10, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.6, WHITE, 1, cv2.LINE_AA)
    return np.concatenate([bar, view], axis=0)
