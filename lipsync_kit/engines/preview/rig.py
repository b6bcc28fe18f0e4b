"""The rig of one portrait: for every movement of a pose, how each node of a grid goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Grid, around
from lipsync_kit.engines.preview.head import Head, ThinPlate
from lipsync_kit.engines.preview.mouthline import MouthLine, find_mouth_line
from lipsync_kit.engines.preview.movements import (
    MouthFields,
    Side,
    arch,
    bell,
    smoothstep,
)
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS, applied
from lipsync_kit.engines.preview.sampling import blurred, sampled, widened
from lipsync_kit.face import Face, topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# The head moves as one within this ellipse around its middle, in face heights; beyond it the
# movement fades, and at `_FADE` times the ellipse the picture stands still.
_MIDDLE: Final = (0.0, -0.42)
_RADII: Final = (0.60, 0.80)
_FADE: Final = 1.75
_EDGE: Final = 0.25  # face heights from the picture's own edge over which the movement fades
_NODES_PER_FACE: Final = 72

RAISED: Final = 0.020
"""Face heights that a brow of 1 is raised."""


@dataclass(frozen=True, eq=False)
class Rig:
    """All that a portrait needs to move.

    `fields`: (movements, rows, columns, 2) in pixels per unit, on `grid`; `nodes` are its
    positions. `frontal`: (rows, columns, 2).
    """

    head: Head
    line: MouthLine
    grid: Grid
    nodes: F32
    frontal: F64
    fields: F32
    mouth: MouthFields

    def at(self, points: npt.NDArray[Any]) -> F32:
        """The fields at any points (..., 2) of the picture, shape (movements, ..., 2)."""
        index = ((points - self.nodes[0, 0]) / self.grid.step).astype(np.float32)
        flat = index.reshape(1, -1, 2)
        return np.stack([sampled(field, flat) for field in self.fields]).reshape(
            len(self.fields), *points.shape
        )

    def moved(self, weights: F32) -> F32:
        """How far each node goes in a pose, shape (rows, columns, 2)."""
        return applied(weights, self.fields)


def build_rig(face: Face, plate: Plate) -> Rig:
    """The rig of the largest face of a picture."""
    head = Head.of(face)
    line = find_mouth_line(head, plate.rgb)
    step = 2 * max(2, round(head.size / _NODES_PER_FACE / 2))
    low, high = _reach(head)
    grid = Grid(around(low, high, step, plate.width, plate.height), step)
    nodes = grid.nodes()
    frontal, depth = _surface(head, grid)
    mouth = MouthFields(line, float(head.frontal[topology.CHIN, 1]))
    still = np.zeros((*grid.shape, 2))
    fields = dict.fromkeys(MOVEMENTS, still)
    fields |= _head_fields(head, nodes, frontal, depth, plate)
    fields |= _face_fields(head, frontal)
    fields |= both_sides(head, mouth, frontal)
    stacked = np.stack([fields[name] for name in MOVEMENTS]).astype(np.float32)
    return Rig(head, line, grid, nodes, frontal, stacked, mouth)


def mouth_fields(head: Head, mouth: MouthFields, frontal: F64, side: Side) -> dict[str, F64]:
    """The mouth's movements on one sheet at frontal points (..., 2), in pixels."""
    u, v = frontal[..., 0], frontal[..., 1]
    movements = {
        "open": mouth.open,
        "shut": mouth.shut,
        "spread": mouth.spread,
        "round": mouth.round,
        "press": mouth.press,
        "lift": mouth.lift,
        "broad": mouth.broad,
        "slide": mouth.slide,
        "oval": mouth.oval,
    }
    frontals = {name: move(u, v, side) for name, move in movements.items()}
    return {name: head.in_picture(d[..., 0], d[..., 1]) for name, d in frontals.items()}


def both_sides(head: Head, mouth: MouthFields, frontal: F64) -> dict[str, F64]:
    """The mouth's movements at frontal points (..., 2), each on its side of the lips' line."""
    line = mouth.line
    seam = np.interp(frontal[..., 0], line.u, (line.upper + line.lower) / 2)
    below = (frontal[..., 1] > seam)[..., None]
    upper, lower = (mouth_fields(head, mouth, frontal, side) for side in ("upper", "lower"))
    return {name: np.where(below, lower[name], upper[name]) for name in upper}


def _reach(head: Head) -> tuple[F64, F64]:
    """Corners of the part of the picture that may move."""
    middle, radii = np.array(_MIDDLE), np.array(_RADII) * _FADE
    angles = np.linspace(0, 2 * np.pi, 65)[:, None]
    ring = middle + radii * np.hstack([np.cos(angles), np.sin(angles)])
    points = head.centre[:2] + head.in_picture(ring[:, 0], ring[:, 1])
    return points.min(axis=0), points.max(axis=0)


def frontal_of(head: Head, points: npt.NDArray[Any]) -> F64:
    """Frontal coordinates (..., 2) of any points of the picture (..., 2)."""
    return surface_at(head, points)[0]


def surface_at(head: Head, points: npt.NDArray[Any]) -> tuple[F64, F64]:
    """Frontal coordinates (..., 2) and depth in pixels (...) of any points of the picture."""
    values = _spline(head)((points - head.centre[:2]) / head.size)
    return values[..., :2], head.size * values[..., 2]


@lru_cache(maxsize=4)
def _spline(head: Head) -> ThinPlate:
    points = (head.landmarks[:, :2] - head.centre[:2]) / head.size
    values = np.column_stack([head.frontal[:, :2], head.landmarks[:, 2] / head.size])
    return ThinPlate.through(points, values, smoothing=3e-4)


def _surface(head: Head, grid: Grid) -> tuple[F64, F64]:
    """Frontal coordinates (rows, columns, 2) and depth in pixels (rows, columns) of the nodes."""
    origin, size = head.centre[:2], head.size
    spline = _spline(head)
    coarse = Grid(grid.area, 4 * grid.step)
    smooth = spline((coarse.nodes() - origin) / size).astype(np.float32)
    wide = widened(smooth, 4)
    # Both grids begin a step before the area: the coarse one three fine nodes earlier.
    fine = wide[3 : 3 + grid.shape[0], 3 : 3 + grid.shape[1]].astype(np.float64)
    return fine[..., :2], size * fine[..., 2]


def _head_fields(head: Head, nodes: F32, frontal: F64, depth: F64, plate: Plate) -> dict[str, F64]:
    """Turning, nodding, tilting and shifting the head as a whole.

    Six are enough for small angles; the last two make any turn exact.
    """
    size = head.size
    behind = np.minimum(depth - head.ear_depth, 0)
    behind = blurred(behind, 2.0)
    weight = _whole_head(frontal) * _inside(nodes, size, plate)
    x, y = nodes[..., 0] - head.neck[0], nodes[..., 1] - head.neck[1]
    zero, one = np.zeros_like(weight), np.ones_like(weight)
    moves = {
        "yaw": (-behind, zero),
        "pitch": (zero, behind),
        "roll": (-y, x),
        "x": (size * one, zero),
        "y": (zero, size * one),
        "zoom": (x, y + 0.5 * size),
        "aspect": (x, -y),
        "shear": (y, x),
    }
    return {name: np.stack(move, axis=-1) * weight[..., None] for name, move in moves.items()}


def _whole_head(frontal: F64) -> F64:
    distance = np.hypot(*np.moveaxis((frontal - _MIDDLE) / _RADII, -1, 0))
    return 1 - smoothstep(1.0, _FADE, distance)


def _inside(nodes: F32, size: float, plate: Plate) -> F64:
    """0 at the picture's edges, where there is nothing to bring in, 1 further inside."""
    x, y = nodes[..., 0], nodes[..., 1]
    nearest = np.minimum(np.minimum(x, plate.width - 1 - x), np.minimum(y, plate.height - 1 - y))
    return smoothstep(0, _EDGE * size, nearest)


def _face_fields(head: Head, frontal: F64) -> dict[str, F64]:
    """Brows, gaze and the lower lids."""
    u, v = frontal[..., 0], frontal[..., 1]
    brow, tilt, gaze, lid = (np.zeros_like(u) for _ in range(4))
    for (upper, lower), brows, side in zip(topology.EYES, topology.BROWS, (1, -1), strict=True):
        top, bottom = (head.frontal[list(row), :2] for row in (upper, lower))
        width = float(top[-1, 0] - top[0, 0])
        middle = float(top[0, 0] + top[-1, 0]) / 2
        x = (u - middle) / (width / 2)
        above, below = (np.interp(u, row[:, 0], row[:, 1]) for row in (top, bottom))
        half = np.maximum((below - above) / 2, 1e-3)
        gaze += width * arch(x, 1.0) * arch((v - (above + below) / 2) / half, 1.0)
        lid -= 0.10 * 2 * half * arch(x, 1.0) * bell((v - below) / 0.025)
        crest = float(head.frontal[list(brows[1]), 1].mean())
        eye = float(top[:, 1].min())
        rise = smoothstep(0.01 - eye, max(-crest, 0.02 - eye), -v)
        over = bell((u - middle) / (0.75 * width)) * bell(np.minimum(v - crest, 0) / 0.14)
        brow -= RAISED * rise * over
        tilt -= side * RAISED * rise * over
    zero = np.zeros_like(u)
    return {
        "brow": head.in_picture(zero, brow),
        "tilt": head.in_picture(zero, tilt),
        "blink": head.in_picture(zero, lid),
        "gaze_x": head.in_picture(gaze, zero),
        "gaze_y": head.in_picture(zero, gaze),
    }
