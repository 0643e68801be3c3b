"""Photos of the board → the lens, and what a pixel is in mm where the recipe looks.

The lens: pinhole with radial distortion k1, k2 (Zhang, IEEE PAMI 22(11), 2000, by OpenCV). One photo from straight
above cannot tell focal length from distance; the scale in the plane of the board does not need it, and k1 can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.errors import CalibrationError
from calibration.scale.board import Board
from edge_agent.inspection.recipe import Recipe, region_polygon

LEAST_CORNERS = 12
FULL_LENS = 4  # photos from which on focal length, centre and k2 are asked for too
GRID = 15  # points on each side of the region's box at which the scale is taken
GUESSED_FOCAL = 3.0  # times the width of the picture: only the distance depends on it


@dataclass(frozen=True, eq=False)
class View:
    """The corners of the board in one photo: places in mm and in pixels, float64 [K, 2] each."""

    name: str
    board_mm: NDArray[np.float64]
    pixels: NDArray[np.float64]


@dataclass(frozen=True)
class ScaleMeasurement:
    """What the photos say.

    Attributes:
        mm_per_px: in the plane of the board, on average over the region.
        least, most: of all places in the region and all directions there.
        rms_px: root of the mean squared distance between the corners found and those that the lens model expects.
        square_error_mm: how far squares, measured in the first photo, are off their true side, on average.
        tilt_degrees: of the board against the camera in the first photo.
        bend_px: how far the lens moves a point of the region at most, against a pinhole.
        covered: share of the region inside the corners that were seen, 0..1.
        corners: of each photo.
        distortion: k1, k2.
    """

    mm_per_px: float
    least: float
    most: float
    rms_px: float
    square_error_mm: float
    tilt_degrees: float
    bend_px: float
    covered: float
    corners: tuple[int, ...]
    distortion: tuple[float, float]

    @property
    def rms_mm(self) -> float:
        """The reprojection error in the plane of the board."""
        return self.rms_px * self.mm_per_px

    @property
    def bend_mm(self) -> float:
        """How far the lens moves a point of the region at most, in the plane of the board."""
        return self.bend_px * self.mm_per_px

    @property
    def spread(self) -> float:
        """How much a length is off at the worst place of the region, as a share."""
        return max(self.most / self.mm_per_px - 1, 1 - self.least / self.mm_per_px)


def find(board: Board, image: NDArray[np.uint8], name: str) -> View:
    """The board in a photo. Raises CalibrationError where too little of it can be seen."""
    places, pixels = board.detect(image)
    if len(places) < LEAST_CORNERS:
        what = f"shows {len(places)} corners of a board of {board.columns} × {board.rows} squares"
        mend = f"{LEAST_CORNERS} are needed: more light, focus, no glare, the whole board; give --squares as printed"
        raise CalibrationError(what, where=name, mend=mend)
    return View(name, places, pixels)


def measure(views: Sequence[View], recipe: Recipe) -> ScaleMeasurement:
    """The scale in the plane of the board in the first view, from all of them.

    Args:
        views: the first with the board where the part's face is, flat; more of them tilted, for the lens.
        recipe: its region is where the scale is taken; its template has the size of the photos.
    """
    height, width = recipe.template.shape[:2]
    rms, camera, distortion, rotations, shifts = _lens(views, (width, height))
    plane = _Plane(camera, distortion, rotations[0], shifts[0])
    polygon = region_polygon(recipe) - 0.5  # recipes count from the first pixel's edge
    points = _inside(polygon)
    scales = plane.scales(points)
    hull = cv2.convexHull(views[0].pixels.astype(np.float32))
    seen = [cv2.pointPolygonTest(hull, (float(x), float(y)), measureDist=False) >= 0 for x, y in points]
    straight = cv2.undistortPoints(points[:, None], camera, distortion, P=camera)[:, 0]
    return ScaleMeasurement(
        mm_per_px=float(scales.mean()),
        least=float(scales.min()),
        most=float(scales.max()),
        rms_px=float(rms),
        square_error_mm=_square_error(views[0], plane),
        tilt_degrees=float(np.degrees(np.arccos(min(1.0, abs(cv2.Rodrigues(rotations[0])[0][2, 2]))))),
        bend_px=float(np.linalg.norm(straight - points, axis=1).max()),
        covered=float(np.mean(seen)),
        corners=tuple(len(view.pixels) for view in views),
        distortion=(float(distortion.ravel()[0]), float(distortion.ravel()[1])),
    )


def _lens(
    views: Sequence[View], size: tuple[int, int]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64], list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    focal = GUESSED_FOCAL * size[0]
    guess = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1]])
    flags = cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K3
    if len(views) < FULL_LENS:
        flags |= cv2.CALIB_FIX_FOCAL_LENGTH | cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_K2
    objects = [np.column_stack([v.board_mm, np.zeros(len(v.board_mm))]).astype(np.float32) for v in views]
    images = [view.pixels.astype(np.float32)[:, None] for view in views]
    rms, camera, distortion, rotations, shifts = cv2.calibrateCamera(
        objects, images, size, guess, np.zeros(5), flags=flags
    )
    turns, moves = ([np.asarray(vector, np.float64) for vector in vectors] for vectors in (rotations, shifts))
    return float(rms), np.asarray(camera), np.asarray(distortion), turns, moves


class _Plane:
    """From pixels to places on the board, in mm."""

    def __init__(
        self,
        camera: NDArray[np.float64],
        distortion: NDArray[np.float64],
        rotation: NDArray[np.float64],
        shift: NDArray[np.float64],
    ) -> None:
        self._camera, self._distortion = camera, distortion
        turn = cv2.Rodrigues(rotation)[0]
        self._to_board = np.linalg.inv(np.column_stack([turn[:, 0], turn[:, 1], shift.ravel()]))

    def places(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 [K, 2], mm."""
        rays = cv2.undistortPoints(pixels[:, None], self._camera, self._distortion)[:, 0]
        hit = np.column_stack([rays, np.ones(len(rays))]) @ self._to_board.T
        return np.asarray(hit[:, :2] / hit[:, 2:], np.float64)

    def scales(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """mm per pixel at each of these pixels, in the direction of the largest and of the smallest: float64 [K, 2].

        On a tilted board they differ, whatever the direction in which it is tilted.
        """
        along = [self.places(pixels + step) - self.places(pixels - step) for step in np.eye(2) / 2]
        return np.asarray(np.linalg.svd(np.stack(along, axis=2), compute_uv=False), np.float64)


def _inside(polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a grid that lie in a polygon, float64 [K, 2]; its corners too."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    x, y = np.meshgrid(*(np.linspace(low[axis], high[axis], GRID) for axis in (0, 1)))
    grid = np.column_stack([x.ravel(), y.ravel()])
    outline = polygon.astype(np.float32)
    inner = [cv2.pointPolygonTest(outline, (float(a), float(b)), measureDist=False) >= 0 for a, b in grid]
    return np.concatenate([grid[inner], polygon])


def _square_error(view: View, plane: _Plane) -> float:
    """Mean error of the sides of squares between neighbouring corners, in mm."""
    measured = plane.places(view.pixels)
    gaps = np.linalg.norm(view.board_mm[:, None] - view.board_mm, axis=2)
    side = np.min(gaps[gaps > 0])
    first, second = np.nonzero(np.triu(np.isclose(gaps, side, rtol=1e-3)))
    lengths = np.linalg.norm(measured[first] - measured[second], axis=1)
    return float(np.abs(lengths - side).mean())
