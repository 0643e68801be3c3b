"""One resolution of a template and of a test image, and the two ways to lay one on the other: search and refinement."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]
Matrix = NDArray[np.float64]  # 3 × 3, (x, y, 1) in template pixels -> (x, y, 1) in test pixels, both at full resolution

MAX_POINTS = 12_000  # pixels that take part in a refinement
DAMPING = 1e-3  # share of the mean curvature
CLOSE = 0.03  # pixels: a step as short as this was the last, what it leaves over is far less
MIN_POINTS = 100  # with fewer there is nothing to go by


class TestLevel:
    """A test image at one resolution; pixel i of it is full-frame pixel origin + scale · i."""

    def __init__(self, gray: NDArray[np.uint8], origin: tuple[int, int], scale: float) -> None:
        self.smooth = cv2.GaussianBlur(gray, (0, 0), 0.8).astype(np.float32)
        self.features = features_of(self.smooth)
        self.to_frame = np.array([[scale, 0, origin[0]], [0, scale, origin[1]], [0, 0, 1.0]])


class TemplateLevel:
    """The template at one resolution, with what Lucas-Kanade needs of it."""

    def __init__(
        self, gray: NDArray[np.uint8], origin: tuple[int, int], scale: float, center: tuple[float, float]
    ) -> None:
        self.scale = scale
        self.shape = gray.shape
        self.smooth = cv2.GaussianBlur(gray, (0, 0), 0.8).astype(np.float32)
        self.features = features_of(self.smooth)
        self.to_frame = np.array([[scale, 0, origin[0]], [0, scale, origin[1]], [0, 0, 1.0]])
        height, width = gray.shape
        self.corners = moved(self.to_frame, np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64))
        self._center = center
        self._local = LocalCorrelation(self.smooth)
        self.textured = self._local.textured
        self._choose_points(origin)

    def _choose_points(self, origin: tuple[int, int]) -> None:
        """The pixels with the steepest edges, at most MAX_POINTS, and how each answers to a change of the motion."""
        gx = cv2.Scharr(self.features, cv2.CV_32F, 1, 0, scale=1 / 32)
        gy = cv2.Scharr(self.features, cv2.CV_32F, 0, 1, scale=1 / 32)
        steep = np.hypot(gx, gy)
        steep[[0, -1]] = 0
        steep[:, [0, -1]] = 0
        count = min(2 * MAX_POINTS, max(200, steep.size // 3))
        cut = np.partition(steep.ravel(), -count)[-count] if count < steep.size else 0.0
        y, x = np.nonzero(steep >= max(float(cut), 1e-3))
        every = max(1, round(len(x) / MAX_POINTS))  # neighbours say the same
        y, x = y[::every], x[::every]
        self._values = self.features[y, x]
        self._frame = np.stack([x * self.scale + origin[0], y * self.scale + origin[1]]).astype(np.float64)
        self._radius = max(self.shape) * self.scale / 2
        dx = ((self._frame[0] - self._center[0]) / self._radius).astype(np.float32)
        dy = ((self._frame[1] - self._center[1]) / self._radius).astype(np.float32)
        px, py = gx[y, x] / self.scale, gy[y, x] / self.scale
        self._jacobian = np.stack([px * dx + py * dy, py * dx - px * dy, px, py]).astype(np.float32)

    def search(self, test: TestLevel, degrees: float, reach: float) -> list[tuple[float, Matrix]]:
        """Where the turned template correlates best: up to three peaks (correlation, matrix)."""
        turn = np.eye(3)
        turn[:2] = cv2.getRotationMatrix2D(self._center, degrees, 1.0)
        # the test image, turned back, as the template sees it, with room around for the search
        room = int(np.ceil(reach / self.scale))
        height, width = self.shape
        shift = np.array([[1, 0, -room], [0, 1, -room], [0, 0, 1.0]])
        to_test = np.linalg.inv(test.to_frame) @ turn @ self.to_frame @ shift
        size = (width + 2 * room, height + 2 * room)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(test.features, to_test[:2], size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        scores = cv2.matchTemplate(seen, self.features, cv2.TM_CCORR_NORMED)
        found = []
        for _ in range(3):
            _, peak, _, (x, y) = cv2.minMaxLoc(scores)
            move = np.array([[1, 0, x - room], [0, 1, y - room], [0, 0, 1.0]])
            found.append((peak, turn @ self.to_frame @ move @ np.linalg.inv(self.to_frame)))
            scores[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = -1
        return found

    def refine(self, test: TestLevel, matrix: Matrix, steps: int = 20) -> Matrix:
        """Lucas-Kanade, inverse compositional, with Cauchy weights: the matrix that matches best near `matrix`."""
        to_level = np.linalg.inv(test.to_frame)
        if len(self._values) < MIN_POINTS:
            return matrix
        for _ in range(steps):
            x, y = moved(to_level @ matrix, self._frame.T).T.astype(np.float32)
            seen = cv2.remap(
                test.features, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
            ).ravel()
            error = seen - self._values
            valid = np.isfinite(error)
            if valid.sum() < MIN_POINTS:
                return matrix
            error[~valid] = 0
            spread = 1.4826 * float(np.median(np.abs(error[valid]))) + 0.02
            weight = np.where(valid, 1 / (1 + (error / (2 * spread)) ** 2), 0).astype(np.float32)
            weighted = self._jacobian * weight
            hessian = (weighted @ self._jacobian.T).astype(np.float64)
            # Damped: what the picture hardly fixes stays near where it began.
            hessian += np.eye(4) * (DAMPING * np.trace(hessian) + 1e-9)
            a, b, tx, ty = np.linalg.solve(hessian, (weighted @ error).astype(np.float64))
            a, b = a / self._radius, b / self._radius
            cx, cy = self._center
            step = np.array([[1 + a, -b, tx - a * cx + b * cy], [b, 1 + a, ty - b * cx - a * cy], [0, 0, 1.0]])
            matrix = matrix @ np.linalg.inv(step)
            if max(abs(tx), abs(ty), abs(a) * self._radius, abs(b) * self._radius) < CLOSE * self.scale:
                break
        return matrix

    def match(self, test: TestLevel, matrix: Matrix) -> float:
        """Agreement of the textured parts when the template is moved by `matrix`, -1..1."""
        to_test = np.linalg.inv(test.to_frame) @ matrix @ self.to_frame
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self.shape[::-1]
        seen = cv2.warpAffine(test.smooth, to_test[:2], size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        return self._local.with_image(np.asarray(seen, np.float32))


class LocalCorrelation:
    """Correlation in windows of 21 × 21, averaged where the first picture has texture: robust to light and one object.

    Attributes:
        textured: share of the picture that has texture, 0..1.
    """

    SIDE = 21
    NOISE = 25.0  # variance that noise alone has

    def __init__(self, template: Gray) -> None:
        self._template = template
        self._mean, self._variance = self._moments(template)
        self._texture = np.minimum(self._variance / (16 * self.NOISE), 1.0)
        self._total = max(float(self._texture.sum()), 1e-6)
        self.textured = float(self._texture.mean())

    def with_image(self, image: Gray) -> float:
        """Agreement with another picture of the same size, -1..1."""
        mean, variance = self._moments(image)
        covariance = self._box(self._template * image) - self._mean * mean
        local = covariance / np.sqrt((self._variance + self.NOISE) * (variance + self.NOISE))
        return float((local * self._texture).sum()) / self._total

    def _moments(self, image: Gray) -> tuple[Gray, Gray]:
        mean = self._box(image)
        return mean, np.maximum(self._box(image * image) - mean * mean, 0)

    def _box(self, image: Gray) -> Gray:
        return np.asarray(cv2.blur(image, (self.SIDE, self.SIDE), borderType=cv2.BORDER_REFLECT), np.float32)


def features_of(smooth: Gray) -> Gray:
    """The image with its local mean and contrast taken out, about -1..1: light changes neither."""
    mean = cv2.blur(smooth, (31, 31), borderType=cv2.BORDER_REFLECT)
    variance = cv2.blur(smooth * smooth, (31, 31), borderType=cv2.BORDER_REFLECT) - mean * mean
    return np.asarray((smooth - mean) / (np.sqrt(np.maximum(variance, 0)) + 12), np.float32)


def moved(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points float64 [K, 2] moved by a matrix."""
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2], np.float64)
