"""From what the driver does to what the portrait does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_filter import limited, smooth
from lipsync_kit.engines.preview.drive_mirror import Mirror, Show, look
from lipsync_kit.engines.preview.drive_mouth import ROUND, WIDE, WideMouth
from lipsync_kit.engines.preview.drive_rig import Reach, head_pose
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.engines.preview.rig import RAISED, Rig, mouth_fields
from lipsync_kit.face import Face

F64 = npt.NDArray[np.float64]

_LEANING: Final = 0.13  # seconds (sigma) over which a mouth is said to lean a head
_ZOOM: Final = 0.12
_GAP: Final = 0.19  # face heights; further, the corners of the lips would look drawn
_WIDTH: Final = (-0.34, 0.36)
_SPREAD: Final = 1.3
_ROUND: Final = 1.3
_LIFT: Final = (-0.035, 0.030)
_SLIDE: Final = 0.06
_BROW: Final = (-0.9, 1.6)


@dataclass(frozen=True)
class Act:
    """What a portrait does in a frame.

    `lids`: closure of the left and right eye, 0 to 1, or how much wider than usual below 0.
    `gaze`: eye widths to the right and down.
    """

    pose: Pose
    lids: tuple[float, float]
    gaze: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Actor:
    """One portrait's way to do what drivers do.

    `sagging`: see :class:`WideMouth`. `widening`: growth of the mouth's width by one unit of
    each of the movements that change it.
    """

    rig: Rig
    reach: Reach
    sagging: float
    widening: dict[str, float]
    mirror: Mirror

    @classmethod
    def of(cls, rig: Rig, face: Face, show: Show) -> Actor:
        """What a portrait can do, measured on its rig and on what `show` makes of poses."""
        mouth = WideMouth(rig.mouth.line, rig.mouth.chin)
        blind = cls(rig, Reach.of(rig), mouth.sagging, _widening(rig), Mirror.blind())
        return replace(blind, mirror=look(face, show, blind._turned, blind._mouthed))

    def acts(self, track: DriverTrack, first: int, frames: int, fps: Fraction) -> Iterator[Act]:
        """What the portrait does in frames [first, first + frames) of a film."""
        margin = math.ceil(3 * _LEANING * fps)
        around = track.at(first - margin, frames + 2 * margin)
        face = self._face(around)
        head = self._head(around, face["gap"], _LEANING * float(fps))
        for frame in range(margin, margin + frames):
            turned = head_pose(self.rig, **{name: float(v[frame]) for name, v in head.items()})
            pose = replace(turned, **{name: float(v[frame]) for name, v in face.items()})
            yield Act(
                pose,
                (float(around.blink_left[frame]), float(around.blink_right[frame])),
                (float(around.gaze_x[frame]), float(around.gaze_y[frame])),
            )

    def _turned(self, yaw: float, pitch: float, roll: float) -> Pose:
        """The portrait with closed lips and its head turned."""
        return head_pose(self.rig, yaw, pitch, roll, 0.0, 0.0, 0.0)

    def _mouthed(self, gap: float, width: float, slide: float) -> Pose:
        """The portrait with its mouth open, wide and aside."""
        mouth = self._mouth(np.array([gap]), np.array([width]))
        made = {name: float(v[0]) for name, v in mouth.items()}
        return replace(self._turned(0, 0, 0), slide=slide, **made)

    def _head(self, track: DriverTrack, gap: F64, slow: float) -> dict[str, F64]:
        """Turns and place of the head, no further than the portrait can go.

        A head does not nod with every syllable: the mouth's part is taken off over `slow` frames.
        """
        seen = np.stack([track.yaw, track.pitch, track.roll], axis=-1).astype(np.float64)
        mouth = (gap, track.width.astype(np.float64), limited(track.slide, _SLIDE))
        turns = self.mirror.turns(seen, *(smooth(curve, slow) for curve in mouth))
        wanted = dict(zip(("yaw", "pitch", "roll"), turns.T, strict=True))
        wanted |= {"x": track.x.astype(np.float64), "y": track.y.astype(np.float64)}
        values, shares = {}, np.zeros(len(track))
        for name, value in wanted.items():
            below, above = getattr(self.reach, name)
            values[name] = value
            shares += (value / np.maximum(np.where(value < 0, below, above), 1e-3)) ** 2
        far = np.sqrt(shares)
        less = np.where(far > 0, limited(far, 1.0) / np.maximum(far, 1e-9), 1.0)
        return {name: value * less for name, value in values.items()} | {
            "zoom": limited(track.zoom, _ZOOM)
        }

    def _mouth(self, gap: F64, width: F64) -> dict[str, F64]:
        """How the mouth is made as wide as this, in face heights and growth (n,)."""
        width = _between(width, *_WIDTH)
        spread = np.minimum(np.maximum(width, 0) / self.widening["spread"], _SPREAD)
        round_ = np.maximum(np.minimum(width, 0) / -self.widening["round"], -_ROUND)
        # What lips can't be pulled or pursed, and what a wide gap narrows, the whole mouth does.
        narrowed = np.maximum(gap - self.rig.line.gap, 0) * self.widening["open"]
        pulled = spread * self.widening["spread"] - round_ * self.widening["round"]
        broad = (width - pulled - narrowed) / self.widening["broad"]
        oval = np.clip((gap - self.rig.line.gap - WIDE) / ROUND, 0, 1)
        return {"gap": gap, "width": spread + round_, "broad": broad, "oval": oval}

    def _face(self, track: DriverTrack) -> dict[str, F64]:
        brows = [getattr(track, f"brow_{side}") / RAISED for side in ("left", "right")]
        gap = limited(track.opening, _GAP)
        parted = np.maximum(gap - self.rig.line.gap, 0)
        return self._mouth(gap, track.width.astype(np.float64)) | {
            "lift": _between(track.lift + self.sagging * parted, *_LIFT),
            "slide": limited(track.slide, _SLIDE),
            "brow": _between((brows[0] + brows[1]) / 2, *_BROW),
            "tilt": _between((brows[0] - brows[1]) / 2, -0.6, 0.6),
            "blink": np.clip((track.blink_left + track.blink_right) / 2, 0, 1),
        }


def _between(curve: npt.ArrayLike, low: float, high: float) -> F64:
    value = np.asarray(curve, np.float64)
    return np.where(value < 0, limited(value, -low), limited(value, high))


def _widening(rig: Rig) -> dict[str, float]:
    """Growth of the mouth's width by one unit of each of its movements."""
    line = rig.line
    corners = np.stack([line.u[[0, -1]], line.upper[[0, -1]]], axis=-1)
    across = line.upper_px[-1] - line.upper_px[0]
    grown = {
        name: float((field[1] - field[0]) @ across / (across @ across))
        for name, field in mouth_fields(rig.head, rig.mouth, corners, "upper").items()
    }
    return {name: grown[name] for name in ("open", "spread", "round", "broad")}
