"""Sheets of the mouth: the skin above the lips' line, the skin below it, and the skull behind.

Each is a smooth field over the same small area. Where one ends and the next shows is decided
by masks, so lips can part without the picture tearing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Area, Grid, around
from lipsync_kit.engines.preview.movements import Side
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS, OF_THE_HEAD, applied
from lipsync_kit.engines.preview.rig import Rig, frontal_of, mouth_fields

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_MARGIN: Final = (0.09, 0.09, 0.21)  # around the lips' line: sides, above, below; face heights
_NODES_PER_FACE: Final = 180


@dataclass(frozen=True, eq=False)
class Sheet:
    """One sheet, all in pixels.

    `fields`: (movements, rows, columns, 2) at `nodes`. `edge` (n, 2): its edge in the portrait,
    and `edge_fields` (movements, n, 2) how that moves. `grid` is where it is shown: at `nodes`,
    or at `shown_at` when that is elsewhere.
    """

    grid: Grid
    nodes: F32
    fields: F32
    edge: F32
    edge_fields: F32
    shown_at: F32 | None = None

    def moved_edge(self, weights: F32) -> F32:
        """The edge in a pose, (n, 2)."""
        return self.edge + applied(weights, self.edge_fields)

    def shown(self, plate: Plate, weights: F32) -> tuple[U8, U8]:
        """The sheet in a pose: luma and chroma of the grid's area."""
        moved = applied(weights, self.fields)
        return self.grid.sample(plate, self.grid.inverse(self.nodes, moved, self.shown_at))

    def carried(self, x: int, y: int) -> Sheet:
        """The sheet as shown in the area `x` pixels further right and `y` further down."""
        grid = replace(self.grid, area=self.grid.area.carried(x, y))
        return replace(self, grid=grid, shown_at=grid.nodes())


@dataclass(frozen=True, eq=False)
class Sheets:
    """The three sheets of one portrait's mouth."""

    upper: Sheet
    lower: Sheet
    skull: Sheet

    @classmethod
    def of(cls, rig: Rig, plate: Plate) -> Sheets:
        """The sheets around the lips; the skull's edge is the rim of what lies between them."""
        grid = Grid(_area(rig, plate), 2 * max(1, round(rig.head.size / _NODES_PER_FACE / 2)))
        nodes, line = grid.nodes(), rig.line
        fields, frontal = rig.at(nodes), frontal_of(rig.head, nodes)

        def skin(side: Side, edge: F64, edge_px: F64) -> Sheet:
            edge_frontal = np.stack([line.u, edge], axis=-1)
            own = _with_mouth(rig, fields, frontal, side)
            edge_fields = _with_mouth(rig, rig.at(edge_px), edge_frontal, side)
            return Sheet(grid, nodes, own, edge_px.astype(np.float32), edge_fields)

        head = np.isin(MOVEMENTS, OF_THE_HEAD).astype(np.float32)[:, None, None]
        rim = np.concatenate([line.upper_px, line.lower_px[::-1]])
        skull = Sheet(
            grid, nodes, fields * head[..., None], rim.astype(np.float32), rig.at(rim) * head
        )
        upper = skin("upper", line.upper, line.upper_px)
        return cls(upper, skin("lower", line.lower, line.lower_px), skull)


def _area(rig: Rig, plate: Plate) -> Area:
    line, (side, above, below) = rig.line, _MARGIN
    u = np.array([line.u[0] - side, line.u[-1] + side])
    v = np.array([line.upper.min() - above, line.lower.max() + below])
    middle = (line.upper_px[20] + line.lower_px[20]) / 2
    corner_u, corner_v = np.meshgrid(u - line.u[20], v - (line.upper[20] + line.lower[20]) / 2)
    points = middle + rig.head.in_picture(corner_u.ravel(), corner_v.ravel())
    return around(points.min(axis=0), points.max(axis=0), 2, plate.width, plate.height)


def _with_mouth(rig: Rig, fields: F32, frontal: F64, side: Side) -> F32:
    """`fields` with the mouth's movements taken from one sheet."""
    replaced = fields.copy()
    for name, field in mouth_fields(rig.head, rig.mouth, frontal, side).items():
        replaced[MOVEMENTS.index(name)] = field
    return replaced
