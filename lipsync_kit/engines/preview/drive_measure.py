"""From what was seen of a driver to what the driver does."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_filter import bridged, eased, lasting, smooth, steadied
from lipsync_kit.engines.preview.drive_sight import KEPT, RIGID, Sight
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.engines.preview.drive_turn import (
    EYES,
    angles,
    eye_line,
    fitted,
    mean_shape,
    nearest_turn,
)
from lipsync_kit.engines.preview.head import axes_of
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.face import topology

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_LOOKS: Final = 400  # frames, evenly spread, from which the driver's own shape is taken
_CALM: Final = 0.3  # share of the frames, those with the least open mouth, that show it at rest
_TOUCHING: Final = (0.25, 0.33)  # of what is between the lips, not lips: from touching to parted
_MAY_TOUCH: Final = (0.045, 0.07)  # face heights between lips that may touch, as landmarks see them
_CLOSED: Final = 0.028  # face heights between closed lips, as the landmarks see them, at most
_LEAP: Final = (0.35, 0.30, 0.45)  # face heights, growth and radians from frame to frame: a cut
_EASE: Final = 0.4  # seconds to go back to rest where the face is lost, and to come back

# Seconds (quick, slow) of the filters; a mouth and a glance are as fast as a frame.
_HEAD: Final = (0.030, 0.13)
_WINDOWS: Final = {
    "opening": (0.016, 0.07),
    "width": (0.016, 0.07),
    "lift": (0.016, 0.07),
    "gaze_x": (0.012, 0.10),
    "gaze_y": (0.012, 0.10),
}
_BLINK: Final = 0.010

_SHUT: Final = 0.5  # of an eye's usual opening: closed
_OPEN: Final = 0.9  # likewise: not yet closing
_WINK: Final = (0.45, 0.8)  # closure of one eye beyond the other's that is meant
_WINK_LASTS: Final = 0.1  # seconds at least
_WIDE: Final = 0.06  # growth over the usual opening that means nothing


def driver_track(sight: Sight, fps: Fraction) -> DriverTrack:
    """What a driver does, from what was seen of them at `fps`; see :class:`DriverTrack`."""
    seen = sight.score > 0
    rate = float(fps)
    if not seen.any():
        zero = np.zeros(len(seen), np.float32)
        return DriverTrack(*(zero.copy() for _ in range(18)))
    skull = _skull(sight.points[seen].astype(np.float64))
    starts = _cuts(skull, seen, rate)
    values = _head(skull, seen, starts) | _face(skull, sight.inside[seen].astype(np.float64))
    values |= _eyes(sight.eyes[seen].astype(np.float64), rate)
    curves = {}
    for name, known in values.items():
        curve = np.zeros(len(seen))
        curve[seen] = known
        curves[name] = _finished(name, curve, seen, starts, rate)
    curves["opening"] = np.maximum(curves["opening"], 0)
    arrays = {name: curve.astype(np.float32) for name, curve in curves.items()}
    return DriverTrack(**arrays, confidence=sight.score, share=sight.share)


@dataclass(frozen=True, eq=False)
class _Skull:
    """Frames of a rigid head.

    `turns` (n, 3, 3), `growths` (n,), pixels per face height, and `middles` (n, 3), in pixels.
    `points` (n, kept, 2): landmarks in frontal face heights, as if the head never moved.
    `eye_line`: yaw and roll (n,) of the line between the eyes' outer corners.
    """

    turns: F64
    growths: F64
    middles: F64
    points: F64
    eye_line: tuple[F64, F64]

    def at(self, *landmarks: int) -> F64:
        """Some landmarks, (n, k, 2)."""
        return self.points[:, [KEPT.index(landmark) for landmark in landmarks]]


def _skull(points: F64) -> _Skull:
    rigid = points[:, [KEPT.index(i) for i in RIGID]]
    some = np.unique(np.linspace(0, len(rigid) - 1, _LOOKS).astype(int))
    shape = mean_shape(rigid[some])
    turns, growths, middles = fitted(shape, rigid)
    upright = np.einsum("nki,nij->nkj", points - middles[:, None], turns) / growths[:, None, None]
    gap = np.linalg.norm(upright[:, KEPT.index(14)] - upright[:, KEPT.index(13)], axis=1)
    resting = np.median(upright[gap <= np.quantile(gap, _CALM)], axis=0)
    axes, height = axes_of({landmark: resting[KEPT.index(landmark)] for landmark in KEPT})
    left, right = (
        points[:, KEPT.index(i)] for i in (topology.LEFT_EYE_OUTER, topology.RIGHT_EYE_OUTER)
    )
    frontal = (upright @ axes.T)[..., :2] / height
    return _Skull(turns @ axes.T, growths * height, middles, frontal, eye_line(left, right))


def _cuts(skull: _Skull, seen: Flags, rate: float) -> list[int]:
    """Frames at which another take begins: the head leaps, or comes back after a while."""
    places = np.flatnonzero(seen)
    far, growth, turn = _LEAP
    sizes = np.minimum(skull.growths[1:], skull.growths[:-1])
    way = np.linalg.norm(np.diff(skull.middles[:, :2], axis=0), axis=1) / sizes
    grown = np.abs(np.diff(np.log(skull.growths)))
    between = np.einsum("nij,nkj->nik", skull.turns[1:], skull.turns[:-1])
    turned = np.arccos(np.clip((np.trace(between, axis1=1, axis2=2) - 1) / 2, -1, 1))
    leaps = (way > far) | (grown > growth) | (turned > turn)
    away = np.diff(places) > math.ceil(_EASE * rate)
    return [int(place) for place in places[1:][leaps | away]]


def _takes(seen: Flags, starts: list[int]) -> list[slice]:
    """The takes, as slices of the frames in which a face is seen."""
    counts = np.concatenate([[0], np.cumsum(seen)])
    bounds = [0, *(int(counts[start]) for start in starts), int(counts[-1])]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def _head(skull: _Skull, seen: Flags, starts: list[int]) -> dict[str, F64]:
    """Turns, place and growth, each against the middle of its take."""
    names = ("yaw", "pitch", "roll", "x", "y", "zoom")
    values = {name: np.zeros(len(skull.growths)) for name in names}
    for take in _takes(seen, starts):
        turns, growths = skull.turns[take], skull.growths[take]
        usual = nearest_turn(np.median(turns, axis=0))
        size = float(np.median(growths))
        way = (skull.middles[take, :2] - np.median(skull.middles[take, :2], axis=0)) / size
        yaw, pitch, roll = angles(turns @ usual.T)
        eyes_yaw, eyes_roll = (a[take] - np.median(a[take]) for a in skull.eye_line)
        yaw, roll = yaw + EYES * (eyes_yaw - yaw), roll + EYES * (eyes_roll - roll)
        found = (yaw, pitch, roll, way[:, 0], way[:, 1], growths / size - 1)
        for name, value in zip(names, found, strict=True):
            values[name][take] = value
    return values


def _face(skull: _Skull, inside: F64) -> dict[str, F64]:
    """Mouth and brows, against the driver's own face at rest; `inside` as in `Sight`."""
    upper, lower, left, right = np.moveaxis(skull.at(13, 14, 61, 291), 1, 0)
    gap = lower[:, 1] - upper[:, 1]
    # Pursed and pressed lips look parted to landmarks, but nothing shows between them.
    apart = np.maximum(smoothstep(*_TOUCHING, inside), smoothstep(*_MAY_TOUCH, gap))
    gap = gap * apart
    resting = gap <= np.quantile(gap, _CALM)
    width = np.linalg.norm(right - left, axis=1)
    corners = upper[:, 1] - (left[:, 1] + right[:, 1]) / 2
    sideways = (left[:, 0] + right[:, 0] + upper[:, 0] + lower[:, 0]) / 4
    brows = [
        -skull.at(*(i for row in brow for i in row))[..., 1].mean(axis=1) for brow in topology.BROWS
    ]
    return {
        "opening": gap - min(float(np.quantile(gap, 0.03)), _CLOSED),
        "width": width / float(np.median(width[resting])) - 1,
        "lift": corners - float(np.median(corners[resting])),
        "slide": sideways - float(np.median(sideways)),
        "brow_left": brows[0] - float(np.median(brows[0])),
        "brow_right": brows[1] - float(np.median(brows[1])),
    }


def _eyes(eyes: F64, rate: float) -> dict[str, F64]:
    """Lids and gaze; `eyes` as in `Sight`."""
    usual = np.quantile(eyes[..., 0], 0.6, axis=0)
    share = eyes[..., 0] / np.maximum(usual, 1e-3)
    closed = np.clip((_OPEN - share) / (_OPEN - _SHUT), 0, 1)
    wider = np.clip(share - 1 - _WIDE, 0, None)
    blink = _paired(closed * closed * (3 - 2 * closed), rate) - wider.mean(axis=1, keepdims=True)
    # A lid over the iris hides where it looks; the other eye, or the time around, knows.
    trust = np.clip(1 - 2 * closed, 0, 1) + 1e-6
    awake = trust.min(axis=1) > 0.9
    middle = np.median(eyes[awake if awake.any() else slice(None), :, 1:], axis=0)
    gaze = np.average(eyes[..., 1:] - middle, axis=1, weights=np.repeat(trust[..., None], 2, 2))
    open_ = trust.max(axis=1) > 0.3
    n = np.arange(len(gaze))
    if open_.any():
        gaze = np.stack([np.interp(n, n[open_], axis[open_]) for axis in gaze.T], axis=1)
    return {
        "blink_left": blink[:, 0],
        "blink_right": blink[:, 1],
        "gaze_x": gaze[:, 0],
        "gaze_y": gaze[:, 1],
    }


def _paired(closed: F64, rate: float) -> F64:
    """Closures (n, 2) of eyes that close together, unless one of them plainly winks.

    An eye that looks far aside is seen less open than it is, above all after a blink.
    """
    both = closed.min(axis=1, keepdims=True)
    alone = lasting(closed - both, math.ceil(_WINK_LASTS * rate))
    return np.asarray(both + alone * smoothstep(*_WINK, alone))


def _finished(name: str, curve: F64, seen: Flags, starts: list[int], rate: float) -> F64:
    """A curve filtered within its takes, and whole."""
    ease = max(1, math.ceil(_EASE * rate))
    whole = bridged(curve, seen, ease)
    bounds = [0, *starts, len(curve)]
    parts = [_steady(name, whole[a:b], rate) for a, b in itertools.pairwise(bounds)]
    return eased(np.concatenate(parts), starts, max(1, ease // 2))


def _steady(name: str, curve: F64, rate: float) -> F64:
    if name.startswith("blink"):
        return smooth(curve, _BLINK * rate)
    quick, slow = _WINDOWS.get(name, _HEAD)
    return steadied(curve, quick * rate, slow * rate)
