"""The board: what is printed, and what is looked for in a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import StorageError, UsageError

DICTIONARY = cv2.aruco.DICT_4X4_100  # few cells a marker: still read where a square has 20 pixels
MARKER_SHARE = 0.75  # of a square
PAPERS = {"a4": (297.0, 210.0), "a5": (210.0, 148.0), "letter": (279.4, 215.9)}  # width, height in mm, lying
EDGE_MM = 12.0  # that no printer prints on
RULER_MM = 100.0
PNG_DPI = 600
MOST_SQUARES = 200  # the dictionary has a marker for every second one


@dataclass(frozen=True)
class Board:
    """A ChArUco board.

    Attributes:
        columns, rows: squares.
        square_mm: side of a square as it really is on the paper.

    Raises:
        UsageError: no such board can be made.
    """

    columns: int = 12
    rows: int = 9
    square_mm: float = 5.0

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 3 or self.columns * self.rows > MOST_SQUARES:
            what = f"{self.columns} × {self.rows} squares cannot be made"
            raise UsageError(what, where="--squares", mend=f"give 3x3 or more, {MOST_SQUARES} squares at most")
        if not 0.5 <= self.square_mm <= 100:
            raise UsageError(f"{self.square_mm:g} mm is out of range", where="--square-mm", mend="give 0.5 to 100")

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        return self.columns * self.square_mm, self.rows * self.square_mm

    def detect(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The inner corners that a photo shows.

        Args:
            image: BGR uint8 [H, W, 3].

        Returns:
            Places on the board in mm, float64 [K, 2], and in the photo in pixels (the first pixel's centre is 0, 0),
            float64 [K, 2].
        """
        board = self._charuco()
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if ids is None or len(ids) == 0:
            return np.zeros((0, 2)), np.zeros((0, 2))
        places = np.asarray(board.getChessboardCorners(), np.float64)[np.asarray(ids).ravel(), :2]
        return places, np.asarray(corners, np.float64).reshape(-1, 2)

    def draw(self, pixels_per_square: int) -> NDArray[np.uint8]:
        """The board without a margin, grey uint8."""
        size = self.columns * pixels_per_square, self.rows * pixels_per_square
        return np.asarray(self._charuco().generateImage(size), np.uint8)

    def _charuco(self) -> cv2.aruco.CharucoBoard:
        dictionary = cv2.aruco.getPredefinedDictionary(DICTIONARY)
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoBoard(size, self.square_mm, MARKER_SHARE * self.square_mm, dictionary)


def print_board(board: Board, paper: str, path: Path) -> None:
    """Write a page to be printed at 100 %: the board, a ruler to check the printer with, and how to use it.

    Args:
        paper: a key of PAPERS.
        path: .pdf or .png; the PNG has 600 dots an inch.

    Raises:
        UsageError: the board is larger than the paper, the suffix is neither, or matplotlib is missing.
        StorageError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only who prints waits for it
        from matplotlib.patches import Rectangle  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("matplotlib is not installed", mend="pip install matplotlib, or print on a PC") from error

    width, height = PAPERS[paper]
    board_width, board_height = board.size_mm
    if path.suffix.lower() not in {".pdf", ".png"}:
        raise UsageError("is neither .pdf nor .png", where=str(path), mend="name it board.pdf")
    if board_width > width - 2 * EDGE_MM or board_height > height - 2 * EDGE_MM - 20:
        what = f"a board of {board_width:g} × {board_height:g} mm does not fit on {paper}"
        raise UsageError(what, where="--square-mm", mend="give smaller or fewer squares, or larger paper")
    figure = Figure(figsize=(width / 25.4, height / 25.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    left, top = (width - board_width) / 2, height - EDGE_MM - (height - 2 * EDGE_MM - 20 - board_height) / 2
    cells = board.draw(8)  # a marker has 4 cells and a rim of 1 on each side, in 6 of the 8 pixels of a square
    step = board.square_mm / 8
    for row in range(cells.shape[0]):
        for first, last in _runs(cells[row] < 128):
            place = (left + first * step, top - (row + 1) * step)
            axes.add_patch(Rectangle(place, (last - first) * step, step, color="black", linewidth=0, antialiased=False))
    start, y = (width - RULER_MM) / 2, EDGE_MM + 10
    axes.plot([start, start + RULER_MM], [y, y], color="black", linewidth=0.6)
    for mark in range(0, int(RULER_MM) + 1, 10):
        axes.plot([start + mark] * 2, [y - (3 if mark in {0, RULER_MM} else 1.5), y], color="black", linewidth=0.6)
    text = (
        f"matecheck board, {board.columns} × {board.rows} squares of {board.square_mm:g} mm. Print at 100 %, glue it "
        f"onto something flat.\nThe line must be {RULER_MM:g} mm long; if it is not, tell calibrate scale what it "
        "really is: --ruler-mm"
    )
    axes.text(width / 2, EDGE_MM, text, ha="center", va="center", fontsize=7)
    try:
        figure.savefig(path, dpi=PNG_DPI)
    except OSError as error:
        what = f"cannot be written ({error.strerror})"
        raise StorageError(what, where=str(path), mend="check folder and permissions") from error


def _runs(black: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one past the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], black.astype(np.int8), [0]])))
    return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]
