"""The head in the picture: its pose, and every point of the picture in the head's own terms.

*Frontal* coordinates are what one would see if the face looked straight at the camera: u to
the right and v down from the middle of the mouth, z away, in face heights (top of the forehead
to the chin). Expressions are described there, and so look right on turned and tilted heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.face import Face, topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# Pairs of the same feature on both sides; the line between them is the face's horizontal.
_PAIRS: Final = ((33, 263), (61, 291), (127, 356), (234, 454), (132, 361), (70, 300), (50, 280))
_BLOCK: Final = 2048  # points at which a surface is evaluated at once
_EARS: Final = (127, 356, 234, 454)


def axes_of(points: F64 | Mapping[int, F64]) -> tuple[F64, float]:
    """A head's axes (right, down, away; rows) and its height, from landmarks in 3D."""
    right = np.mean([points[b] - points[a] for a, b in _PAIRS], axis=0)
    right /= np.linalg.norm(right)
    midline = points[topology.CHIN] - points[topology.FOREHEAD]
    down = midline - (midline @ right) * right
    down /= np.linalg.norm(down)
    return np.stack([right, down, np.cross(right, down)]), float(np.linalg.norm(midline))


@dataclass(frozen=True, eq=False)
class Head:
    """A posed head. Points in the picture are in pixels, frontal ones in face heights."""

    landmarks: F64
    centre: F64
    axes: F64
    size: float

    @classmethod
    def of(cls, face: Face) -> Head:
        """The pose from the landmarks: mean of left-right pairs, then the midline."""
        points = face.landmarks.astype(np.float64)
        axes, size = axes_of(points)
        return cls(points, (points[13] + points[14]) / 2, axes, size)

    @property
    def frontal(self) -> F64:
        """The landmarks in frontal coordinates, (468, 3)."""
        return np.asarray((self.landmarks - self.centre) @ self.axes.T / self.size)

    @property
    def ear_depth(self) -> float:
        """Depth in the picture (pixels) of the axis about which the head nods and turns."""
        return float(self.landmarks[list(_EARS), 2].mean()) + 0.1 * self.size

    @property
    def neck(self) -> F64:
        """The point of the picture about which the head leans, in pixels."""
        return np.asarray(self.centre[:2] + self.in_picture(0.0, 0.5))

    def in_picture(self, u: npt.ArrayLike, v: npt.ArrayLike) -> F64:
        """A frontal displacement (u, v) as pixels of the picture, shape (..., 2)."""
        moved = np.stack(np.broadcast_arrays(np.asarray(u), np.asarray(v)), axis=-1)
        return np.asarray(self.size * (moved @ self.axes[:2, :2]))


@dataclass(frozen=True, eq=False)
class ThinPlate:
    """A smooth surface through scattered points (thin-plate spline, Duchon 1977).

    Far from the points it goes on as a plane.
    """

    points: F64
    weights: F64
    plane: F64

    @classmethod
    def through(cls, points: F64, values: F64, smoothing: float = 0.0) -> ThinPlate:
        """Fit `values` (n, k) at `points` (n, 2), whose extent should be about 1."""
        n = len(points)
        system = np.zeros((n + 3, n + 3))
        system[:n, :n] = _kernel(points, points) + smoothing * np.eye(n)
        system[:n, n:] = np.column_stack([np.ones(n), points])
        system[n:, :n] = system[:n, n:].T
        solved = np.linalg.solve(system, np.vstack([values, np.zeros((3, values.shape[1]))]))
        return cls(points, np.asarray(solved[:n], np.float64), np.asarray(solved[n:], np.float64))

    def __call__(self, points: F64) -> F64:
        """Values at `points` (..., 2), shape (..., k)."""
        flat = points.reshape(-1, 2)
        values = np.column_stack([np.ones(len(flat)), flat]) @ self.plane
        for start in range(0, len(flat), _BLOCK):
            block = slice(start, start + _BLOCK)
            values[block] += _kernel(flat[block], self.points) @ self.weights
        return np.asarray(values.reshape(*points.shape[:-1], -1))


def _kernel(a: F64, b: F64) -> F64:
    # In place: these are the largest arrays of the whole engine.
    squared, down = (np.subtract.outer(a[:, i], b[:, i]) for i in (0, 1))
    squared *= squared
    down *= down
    squared += down
    logarithm = np.log(np.maximum(squared, 1e-12, out=down), out=down)
    squared *= logarithm
    return np.asarray(squared)
