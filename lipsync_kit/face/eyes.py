"""The eyes of a face, looked at closely: outline and iris.

FaceMesh knows where the eyes are, but hardly when they close and not where they look. A second
network (Ablavatski et al. 2020) looks at each eye alone.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.face import topology
from lipsync_kit.face.mesh import RGB, cut_square
from lipsync_kit.face.networks import run
from lipsync_kit.face.shape import Face

F64 = npt.NDArray[np.float64]

_SIDE: Final = 64
_MARGIN: Final = 2.3  # side of the square over the eye's width, as the network was trained

# The network's outline runs from the outer corner along the lower lid to the inner corner, then
# from the outer one along the upper lid.
_LOWER: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8)
_UPPER: Final = (0, 9, 10, 11, 12, 13, 14, 15, 8)


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye, in pixels of the picture.

    `upper`, `lower` (9, 2): the lids' edges from the picture's left to its right, corners
    included. `iris` (2,): its middle, also where a lid covers it; `radius`: of the iris.
    """

    upper: F64
    lower: F64
    iris: F64
    radius: float

    @property
    def width(self) -> float:
        """Pixels between the corners."""
        return float(np.linalg.norm(self.upper[-1] - self.upper[0]))

    @property
    def openness(self) -> float:
        """Gap between the lids over the eye's width; about 0.12 closed and 0.35 open."""
        gaps = (self.lower - self.upper)[2:7] @ self._axes[1]
        return float(gaps.mean()) / max(self.width, 1e-6)

    @property
    def gaze(self) -> tuple[float, float]:
        """The iris right of and below the middle between the corners, in eye widths."""
        x, y = self._axes @ (self.iris - (self.upper[0] + self.upper[-1]) / 2)
        width = max(self.width, 1e-6)
        return float(x) / width, float(y) / width

    @property
    def _axes(self) -> F64:
        """Unit vectors along the line between the corners and down across it, as rows."""
        along = (self.upper[-1] - self.upper[0]) / max(self.width, 1e-6)
        return np.array([along, [-along[1], along[0]]])


def find_eyes(rgb: RGB, face: Face) -> tuple[Eye, Eye]:
    """The picture's left and right eye of a face in a picture (h, w, 3); about 7 ms of CPU."""
    left, right = (_look(rgb, face.landmarks, eye) for eye in (0, 1))
    return left, right


def _look(rgb: RGB, landmarks: npt.NDArray[np.float32], eye: int) -> Eye:
    row = topology.EYES[eye][0]
    left, right = (landmarks[i, :2].astype(np.float64) for i in (row[0], row[-1]))
    dx, dy = right - left
    scale = _MARGIN * max(math.hypot(dx, dy), 1.0) / _SIDE
    angle = math.atan2(dy, dx)
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    # The network knows one side's eyes only; the others are shown to it mirrored.
    mirror = -1.0 if eye == 1 else 1.0
    turn = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    middle = (left + right) / 2
    to_picture = np.column_stack([turn, middle - turn @ np.full(2, (_SIDE - 1) / 2)])
    outline, iris = run("iris_landmark.tflite", cut_square(rgb, to_picture, scale, _SIDE))
    lids, circle = (
        points.reshape(-1, 3)[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        for points in (outline.astype(np.float64), iris.astype(np.float64))
    )
    upper, lower = lids[list(_UPPER)], lids[list(_LOWER)]
    if eye == 1:
        upper, lower = upper[::-1], lower[::-1]
    radius = float(np.linalg.norm(circle[1:] - circle[0], axis=1).mean())
    return Eye(upper, lower, circle[0], radius)
