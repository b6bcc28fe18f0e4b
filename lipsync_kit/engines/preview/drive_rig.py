"""The talk rig, made to turn as far as a driver does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_mouth import WideMouth
from lipsync_kit.engines.preview.drive_sight import RIGID
from lipsync_kit.engines.preview.drive_steep import WideGrid
from lipsync_kit.engines.preview.drive_turn import turned
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS, Pose, weights
from lipsync_kit.engines.preview.rig import Rig, both_sides, build_rig
from lipsync_kit.engines.preview.sampling import blurred
from lipsync_kit.face import Face

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

# A picture has no far side of a nose or a cheek to show. Where depth changes by no more than
# this from pixel to pixel, a head may turn by atan(1 / 1.4) = 35° before its picture folds.
_SLOPE: Final = 1.4
_LEAST: Final = 0.35  # of its area to which any part of the picture may be pressed together
_WANTED: Final = {"yaw": 0.42, "pitch": 0.35, "roll": 0.35, "x": 0.22, "y": 0.22}
_STEPS: Final = 7  # halvings in the search for a limit


def drive_rig(face: Face, plate: Plate) -> Rig:
    """The rig of a face, without the steep slopes of depth that would fold when it turns."""
    rig = build_rig(face, plate)
    fields = rig.fields.copy()
    yaw, pitch = MOVEMENTS.index("yaw"), MOVEMENTS.index("pitch")
    near = _gentle(fields[yaw][..., 0], rig)
    fields[yaw][..., 0], fields[pitch][..., 1] = near, -near
    grid = WideGrid(rig.grid.area, rig.grid.step)
    mouth = WideMouth(rig.mouth.line, rig.mouth.chin)
    for name, field in both_sides(rig.head, mouth, rig.frontal).items():
        fields[MOVEMENTS.index(name)] = field
    return replace(rig, fields=fields, mouth=mouth, grid=grid)


def _gentle(near: F32, rig: Rig) -> F32:
    """Nearness (rows, columns) in pixels, raised where it falls off too steeply.

    The least field above it with the slope allowed; hair and ears then go with the face. Where
    the rig ends nothing moves.
    """
    step = np.float32(_SLOPE * rig.grid.step)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    square = np.ones((3, 3), np.uint8)
    gentle = np.ascontiguousarray(near)
    for _ in range(max(near.shape)):
        sides = np.maximum(gentle, np.asarray(cv2.dilate(gentle, cross), np.float32) - step)
        corners = np.asarray(cv2.dilate(gentle, square), np.float32) - step * np.float32(2**0.5)
        raised = np.maximum(sides, corners)
        if not (raised > gentle + 1e-3).any():
            break
        gentle = raised
    x, y, area = rig.nodes[..., 0], rig.nodes[..., 1], rig.grid.area
    edge = np.minimum(
        np.minimum(x - area.x0, area.x1 - 1 - x), np.minimum(y - area.y0, area.y1 - 1 - y)
    )
    return blurred(np.minimum(gentle, np.float32(_SLOPE) * np.maximum(edge, 0)), 2.0)


@dataclass(frozen=True)
class Reach:
    """How far a portrait's head may go each way: radians, and face heights for `x` and `y`."""

    yaw: tuple[float, float]
    pitch: tuple[float, float]
    roll: tuple[float, float]
    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def of(cls, rig: Rig) -> Reach:
        """The farthest that no part of the picture is pressed together too much."""
        return cls(
            **{
                name: (_farthest(rig, name, -wanted), _farthest(rig, name, wanted))
                for name, wanted in _WANTED.items()
            }
        )


def _farthest(rig: Rig, name: str, wanted: float) -> float:
    """The largest part of `wanted` that a movement may reach."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        values = dict.fromkeys(_WANTED, 0.0) | {name: middle * wanted}
        fits = pressed(rig, head_pose(rig, **values, zoom=0.0)) > _LEAST
        low, high = (middle, high) if fits else (low, middle)
    return abs(wanted) * low


def pressed(rig: Rig, pose: Pose) -> float:
    """The smallest share of its area that any cell of the rig's grid keeps; below 0 it folds.

    Looks at the head alone: the lips have sheets of their own.
    """
    still = replace(pose, gap=rig.line.gap)
    moved = (rig.nodes + rig.moved(weights(still, rig.line.gap))).astype(np.float64)
    across, down = np.diff(moved, axis=1)[:-1], np.diff(moved, axis=0)[:, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    return float(area.min()) / rig.grid.step**2


def head_pose(
    rig: Rig, yaw: float, pitch: float, roll: float, x: float, y: float, zoom: float
) -> Pose:
    """A pose with the head turned exactly so, the middle of its upper face at (`x`, `y`).

    Angles in radians; `x` and `y` in face heights from where the portrait has it.
    """
    head = rig.head
    turn = (1 + zoom) * turned(yaw, pitch, roll) - np.eye(3)
    grown = (turn[0, 0] + turn[1, 1]) / 2
    middle = head.landmarks[list(RIGID)].mean(axis=0)
    anchor = np.append(middle[:2] - head.neck, middle[2] - head.ear_depth)
    went = (turn @ anchor)[:2] / head.size
    return Pose(
        yaw=-turn[0, 2],
        pitch=turn[1, 2],
        roll=(turn[1, 0] - turn[0, 1]) / 2,
        x=x - went[0],
        y=y - went[1] - 0.5 * grown,  # the rig grows about the mouth, not about the neck
        zoom=grown,
        aspect=(turn[0, 0] - turn[1, 1]) / 2,
        shear=(turn[0, 1] + turn[1, 0]) / 2,
    )
