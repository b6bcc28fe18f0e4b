"""How a frame sees the face of the reference: an affine camera between the two.

The camera is fitted to what only moves with the skull, so it tells how the head turned and
came nearer whatever the mouth does; what the rest of the face does beyond it is expression.
A weak-perspective image of a turned rigid body is affine in its three coordinates (Koenderink
and van Doorn 1991), so there is nothing to iterate, and a frame is eight numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Grid
from lipsync_kit.engines.preview.head import Head
from lipsync_kit.engines.preview.sampling import sampled

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# fmt: off
STEADY: Final = (
    1, 2, 4, 5, 6, 8, 9, 10, 21, 33, 36, 48, 49, 50, 54, 67, 94, 97, 98, 100, 101, 103, 109, 111,
    114, 116, 117, 118, 119, 122, 123, 126, 127, 129, 133, 142, 147, 151, 162, 168, 188, 193, 195,
    197, 198, 205, 209, 234, 251, 263, 266, 278, 279, 280, 284, 297, 326, 327, 329, 330, 332, 338,
    340, 343, 345, 346, 347, 348, 351, 352, 355, 356, 358, 362, 371, 376, 389, 412, 417, 420, 425,
    429, 454,
)
"""Landmarks that move with the skull: forehead, temples, nose, cheekbones, corners of the eyes."""
# fmt: on

_ROUNDS: Final = 3  # of the inversion; depth varies slowly, so the first is nearly right


@dataclass(frozen=True, eq=False)
class View:
    """What one frame makes of the reference's points; see :meth:`Relief.view`.

    `turn` (2, 2), `away` (2,) and `shift` (2,): a point at `p` and depth `z` of the reference
    is seen at `turn @ p + away * z + shift`. All in pixels.
    """

    turn: F64
    away: F64
    shift: F64

    def seen(self, points: npt.NDArray[Any], depth: npt.NDArray[Any]) -> F64:
        """Where the frame shows points (..., 2) of the reference, at depths (...)."""
        return np.asarray(points @ self.turn.T + depth[..., None] * self.away + self.shift)

    def moved(self, vectors: npt.NDArray[Any]) -> F64:
        """A movement (..., 2) in the reference as one of the frame."""
        return np.asarray(vectors @ self.turn.T)

    def back(self, points: npt.NDArray[Any], depth: npt.NDArray[Any] | float) -> F64:
        """Which points of the reference, at given depths, the frame shows at `points`."""
        seen = points - self.shift - np.multiply.outer(depth, self.away)
        return np.asarray(seen @ np.linalg.inv(self.turn).T)

    @property
    def scale(self) -> float:
        """Pixels of the frame per pixel of the reference."""
        return float(np.sqrt(abs(np.linalg.det(self.turn))))


@dataclass(frozen=True, eq=False)
class Relief:
    """The reference's face in depth.

    `landmarks` (468, 3) in pixels; `solve` (4, n) fits a camera to the steady ones; `depth`
    (rows, columns) in pixels at the nodes of `grid`, the first of which is `start`.
    """

    landmarks: F64
    solve: F64
    grid: Grid
    start: F32
    origin: F64
    depth: F32

    @classmethod
    def of(cls, head: Head, grid: Grid, depth: F64) -> Relief:
        """The relief of a head with this depth at the nodes of `grid`."""
        steady = (head.landmarks[list(STEADY)] - head.centre) / head.size
        solve = np.linalg.pinv(np.column_stack([steady, np.ones(len(steady))]))
        solve[:3] /= head.size
        nodes = grid.nodes()
        return cls(head.landmarks, solve, grid, nodes[0, 0], head.centre, depth.astype(np.float32))

    def view(self, steady: npt.NDArray[Any]) -> View:
        """The view in which the landmarks :data:`STEADY` are best seen at `steady` (n, 2).

        Least squares; linear, so that landmarks of neighbouring frames may be averaged before.
        """
        camera = self.solve @ steady
        turn = camera[:2].T
        return View(
            turn, camera[2], camera[3] - turn @ self.origin[:2] - camera[2] * self.origin[2]
        )

    def found(self, view: View, points: F64) -> F32:
        """Which points of the reference the frame shows at `points` (rows, columns, 2)."""
        there = view.back(points, np.full(points.shape[:-1], self.origin[2]))
        for _ in range(_ROUNDS):
            there = view.back(points, self.depth_at(there))
        return there.astype(np.float32)

    def depth_at(self, points: npt.NDArray[Any]) -> F32:
        """Depth in pixels at points (rows, columns, 2) of the reference."""
        return sampled(self.depth, (points - self.start) / self.grid.step)

    def expression(self, view: View, landmarks: npt.NDArray[Any], ids: tuple[int, ...]) -> F64:
        """How far landmarks `ids` of a frame are from the reference's, in its pixels (n, 2)."""
        kept = list(ids)
        own = self.landmarks[kept]
        return view.back(landmarks[kept, :2].astype(np.float64), own[:, 2]) - own[:, :2]
