"""The frame's own lower face, brought to another expression.

Where the reference's point X is seen at rest, the frame shows it moved by what its speaker's
mouth is doing, and the dubbed frame is to show it moved by what the new speech does. Both are
smooth fields in the reference, so one map undoes the first and does the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_view import STEADY, Relief, View
from lipsync_kit.engines.preview.grid import Grid, around
from lipsync_kit.engines.preview.head import ThinPlate
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS, applied
from lipsync_kit.engines.preview.rig import Rig, mouth_fields, surface_at
from lipsync_kit.engines.preview.sampling import sampled, widened
from lipsync_kit.face import topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# Frontal coordinates: what may move lies in an ellipse around the mouth, below the eyes.
_MIDDLE: Final = (0.0, 0.05)
_RADII: Final = (0.55, 0.50)
_FADE: Final = 0.6  # of the ellipse, where the movement begins to fade
_TOP: Final = (-0.40, -0.16)
_NODES_PER_FACE: Final = 60
_SMOOTHING: Final = 1e-4
_ROUNDS: Final = 5

# fmt: off
_JAW: Final = (
    152, 148, 176, 149, 150, 136, 172, 58, 132, 377, 400, 378, 379, 365, 397, 288, 361,
    199, 200, 18, 83, 313, 201, 421, 194, 418, 32, 262, 204, 424, 211, 431, 202, 422, 212, 432,
    214, 434, 192, 416, 135, 364, 169, 394, 210, 430, 170, 395, 140, 369, 171, 396, 175,
)
_AROUND: Final = (
    164, 0, 167, 393, 165, 391, 92, 322, 186, 410, 216, 436, 206, 426, 203, 423, 207, 427,
    187, 411, 57, 287, 43, 273,
)
_BESIDE: Final = (186, 410, 216, 436, 57, 287, 43, 273, 207, 427, 187, 411)
# fmt: on
_UPPER: Final = tuple(
    dict.fromkeys((*topology.UPPER_LIP[0], *topology.UPPER_LIP[-1], *_AROUND, *_JAW))
)
_LOWER: Final = tuple(
    dict.fromkeys((*topology.LOWER_LIP[0], *topology.LOWER_LIP[-1], *_BESIDE, *_JAW))
)
MOVING: Final = tuple(dict.fromkeys((*_UPPER, *_LOWER)))
"""Landmarks whose movement is undone."""


@dataclass(frozen=True, eq=False)
class Rest:
    """Undoes and does expressions, for one reference.

    `nodes` (rows, columns, 2) of `relief.grid` cover the lower face, `frontal` is where they
    are on it. `undo` (n, rows, columns): how much each goes along with each of the landmarks
    :data:`MOVING`. `do`: (movements, rows, columns, 2), pixels per unit.
    """

    relief: Relief
    nodes: F32
    frontal: F64
    undo: F32
    do: F32

    @classmethod
    def of(cls, rig: Rig, plate: Plate) -> Rest:
        """All that can be computed once per reference."""
        head = rig.head
        grid = _grid(rig, plate)
        nodes = grid.nodes()
        frontal, depth = surface_at(head, nodes.astype(np.float64))
        line = rig.line
        seam = np.interp(frontal[..., 0], line.u, (line.upper + line.lower) / 2)
        below = frontal[..., 1] > seam
        fields = {side: mouth_fields(head, rig.mouth, frontal, side) for side in ("upper", "lower")}
        still = np.zeros(nodes.shape)
        do = [
            np.where(below[..., None], fields["lower"].get(n, still), fields["upper"].get(n, still))
            for n in MOVEMENTS
        ]
        rest = head.frontal[:, :2]
        upper, lower = (_followed(rest, ids, frontal) for ids in (_UPPER, _LOWER))
        undo = np.where(below[..., None], lower, upper) * _weight(frontal)[..., None]
        return cls(
            Relief.of(head, grid, depth),
            nodes,
            frontal,
            np.ascontiguousarray(np.moveaxis(undo, -1, 0), np.float32),
            np.stack(do).astype(np.float32),
        )

    def expression(self, expressed: F64) -> F32:
        """The field (rows, columns, 2) of what :data:`MOVING` landmarks (n, 2) do, in pixels."""
        across, down = expressed.astype(np.float32).T
        return np.stack([applied(across, self.undo), applied(down, self.undo)], axis=-1)

    def grid(self, view: View, width: int, height: int) -> Grid:
        """The part of a frame in which the lower face is seen."""
        points = view.seen(self.nodes, self.relief.depth)
        step = 2 * max(1, round(self.relief.grid.step * view.scale / 2))
        return Grid(around(points.min((0, 1)), points.max((0, 1)), step, width, height), step)

    def shifts(self, grid: Grid, view: View, expressed: F64, weights: F32) -> F32:
        """How far from each node of a frame's grid its new content lies, in the frame's pixels.

        `expressed` (n, 2): how far the frame's :data:`MOVING` landmarks are from the
        reference's; `weights`: what the new speech does (`pose.MOVEMENTS`).
        """
        found = self.relief.found(view, grid.nodes().astype(np.float64))
        start, step = self.relief.start, self.relief.grid.step
        does = applied(weights, self.do)
        rest = found - sampled(does, (found - start) / step)
        for _ in range(_ROUNDS - 1):
            rest = found - sampled(does, (rest - start) / step)
        shift = rest - found + sampled(self.expression(expressed), (rest - start) / step)
        inside = ((found > start) & (found < self.nodes[-1, -1])).all(axis=-1)
        return view.moved(shift * inside[..., None]).astype(np.float32)


def shifted(grid: Grid, shifts: F32, luma: U8, chroma: U8) -> tuple[U8, U8]:
    """A frame's luma and chroma over a grid's area, each from where its nodes point."""
    a, s = grid.area, grid.step
    rows, columns = a.y1 - a.y0, a.x1 - a.x0
    at = widened(grid.nodes() + shifts, s)[s : s + rows, s : s + columns]
    half = cv2.resize(at, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    how: Any = cv2
    edge = cv2.BORDER_REPLICATE
    y = how.remap(luma, at, None, cv2.INTER_CUBIC, borderMode=edge)
    c = how.remap(chroma, (half - 0.5) / 2, None, cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(y, np.uint8), np.asarray(c, np.uint8)


def _grid(rig: Rig, plate: Plate) -> Grid:
    head = rig.head
    angles = np.linspace(0, 2 * np.pi, 65)
    u, v = (m + r * f(angles) for m, r, f in zip(_MIDDLE, _RADII, (np.cos, np.sin), strict=True))
    points = head.centre[:2] + head.in_picture(u, np.maximum(v, _TOP[0]))
    step = 2 * max(1, round(head.size / _NODES_PER_FACE / 2))
    return Grid(around(points.min(0), points.max(0), step, plate.width, plate.height), step)


def _weight(frontal: F64) -> F64:
    away = np.hypot(*np.moveaxis((frontal - _MIDDLE) / _RADII, -1, 0))
    return (1 - smoothstep(_FADE, 1, away)) * smoothstep(*_TOP, frontal[..., 1])


def _followed(rest: F64, ids: tuple[int, ...], at: F64) -> F64:
    """How much points `at` (..., 2) follow each of :data:`MOVING`, shape (..., n).

    Thin-plate splines are linear in their values: this is the one through `ids`, with the
    skull's landmarks and a ring around the head held still.
    """
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = 0.75 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    held = [i for i in STEADY if i not in ids]
    points = np.concatenate([rest[list(ids)], rest[held], ring])
    values = np.zeros((len(points), len(MOVING)))
    values[np.arange(len(ids)), [MOVING.index(i) for i in ids]] = 1
    return ThinPlate.through(points, values, _SMOOTHING)(at)
