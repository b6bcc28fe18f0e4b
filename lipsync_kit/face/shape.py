"""A face: 468 points and what follows from them."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.face import topology

# The mesh network sees a level face as one that looks down a little (mean of portraits).
_LEVEL: Final = 8.0

Points = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a picture.

    `box` is (x, y, width, height) in pixels around all landmarks and may reach outside the
    picture. `score` is the mesh network's belief that this is a face, 0 to 1. `landmarks` has
    shape (468, 3) and unit pixels: x to the right, y down, z away from the camera on the same
    scale, 0 near the middle of the head.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: Points

    @classmethod
    def of(cls, landmarks: Points, score: float) -> "Face":
        """The face with these landmarks; its box follows from them."""
        low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
        x, y, w, h = (float(v) for v in (*low, *(high - low)))
        return cls((x, y, w, h), score, landmarks)

    @property
    def height(self) -> float:
        """Pixels from the top of the forehead to the chin, as seen in the picture."""
        return self._distance(topology.FOREHEAD, topology.CHIN)

    @property
    def yaw(self) -> float:
        """Degrees; positive when the face is turned towards the picture's right."""
        x, _, z = self._across
        return math.degrees(math.atan2(z, math.hypot(x, self._across[1])))

    @property
    def pitch(self) -> float:
        """Degrees; positive when the face looks up."""
        x, y, z = self._down
        return math.degrees(math.atan2(-z, math.hypot(x, y))) + _LEVEL

    @property
    def roll(self) -> float:
        """Degrees; positive when the head leans clockwise, as seen in the picture."""
        x, y, _ = self._across
        return math.degrees(math.atan2(y, x))

    @property
    def mouth_openness(self) -> float:
        """Gap between the inner lips at the middle, in face heights.

        At most 0.015 when closed, about 0.15 wide open.
        """
        gap = self.landmarks[14, :2] - self.landmarks[13, :2]
        return float(gap @ self._unit_down) / max(self.height, 1e-6)

    @property
    def mouth_width(self) -> float:
        """Distance between the corners of the mouth, in face heights; about 0.3 at rest."""
        return self._distance(61, 291) / max(self.height, 1e-6)

    @property
    def eye_openness(self) -> tuple[float, float]:
        """Gap between the lids over the eye's width, for the picture's left and right eye.

        Below about 0.1 the eye is closed; 0.25 to 0.4 is usual when open.
        """
        left, right = (self._lid_gap(upper, lower) for upper, lower in topology.EYES)
        return left, right

    def _lid_gap(self, upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
        gaps = self.landmarks[list(lower[3:6]), :2] - self.landmarks[list(upper[3:6]), :2]
        width = self._distance(upper[0], upper[-1])
        return float((gaps @ self._unit_down).mean()) / max(width, 1e-6)

    def _distance(self, a: int, b: int) -> float:
        return float(np.linalg.norm(self.landmarks[a, :2] - self.landmarks[b, :2]))

    @cached_property
    def _across(self) -> tuple[float, float, float]:
        """From the outer corner of the left eye to that of the right one."""
        left, right = topology.LEFT_EYE_OUTER, topology.RIGHT_EYE_OUTER
        x, y, z = (float(v) for v in self.landmarks[right] - self.landmarks[left])
        return x, y, z

    @cached_property
    def _down(self) -> tuple[float, float, float]:
        """From the top of the forehead to the chin."""
        top, bottom = self.landmarks[[topology.FOREHEAD, topology.CHIN]]
        x, y, z = (float(v) for v in bottom - top)
        return x, y, z

    @cached_property
    def _unit_down(self) -> npt.NDArray[np.float64]:
        down = np.array(self._down[:2])
        return down / max(float(np.linalg.norm(down)), 1e-6)
