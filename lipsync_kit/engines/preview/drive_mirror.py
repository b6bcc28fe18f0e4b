"""The portrait looks at itself: how its own movements show in its landmarks.

The landmarks of a driver are all that is known of their head, and they are biased: the network
leans a little with an open or a crooked mouth, and sees less than the whole turn of a flat
picture. On the portrait both can be measured, and what the portrait would lean is taken off
what the driver seems to lean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_sight import RIGID
from lipsync_kit.engines.preview.drive_turn import EYES, angles, eye_line, fitted
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.face import Face, topology
from lipsync_kit.face.mesh import mesh, roi_around

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

GAPS: Final = (0.0, 0.05, 0.11, 0.20)
"""Face heights between the lips at which the portrait looks at itself."""

WIDTHS: Final = (-0.22, 0.0, 0.22)
"""Growths of the mouth's width at which it does."""

_TURN: Final = 0.14  # radians by which it turns to see how much of a turn is seen
_SEEN: Final = (0.6, 1.1)  # of a turn; outside of these it is the look that is wrong
_ASTRAY: Final = 0.3  # of a turn that is seen as another turn, at most
_SLID: Final = 0.025  # face heights that its mouth goes aside
_SURE: Final = 0.7  # of what is seen to lean that is believed
_LEAN: Final = 0.10  # radians that a mouth may seem to lean the head, at most

Show = Callable[[Pose], U8]
"""A pose as a picture (h, w, 3)."""


@dataclass(frozen=True, eq=False)
class Mirror:
    """What landmarks see of the portrait.

    `lean` (gaps, widths, 3): radians of yaw, pitch and roll that the head seems to have turned
    when only the mouth moved; `aside` (3,): when it slid one face height to the right. `answer`
    (3, 3): how much of each (rows) is seen of a turn of each (columns).
    """

    lean: F64
    aside: F64
    answer: F64

    @classmethod
    def blind(cls) -> Mirror:
        """What one takes a portrait for that has not been looked at."""
        return cls(np.zeros((len(GAPS), len(WIDTHS), 3)), np.zeros(3), np.eye(3))

    def turns(self, seen: F64, gap: F64, width: F64, slide: F64) -> F64:
        """The turns (n, 3) that look as in `seen` (n, 3) while the mouth does what it does (n,)."""
        leaning = self._leaning(gap, width) + slide[:, None] * self.aside
        return np.asarray(np.linalg.solve(self.answer, (seen - leaning).T).T)

    def _leaning(self, gap: F64, width: F64) -> F64:
        row, low, up = _between(np.array(GAPS), gap)
        column, left, right = _between(np.array(WIDTHS), width)
        table = self.lean
        upper = left * table[row, column] + right * table[row, column + 1]
        lower = left * table[row + 1, column] + right * table[row + 1, column + 1]
        return np.asarray(low * upper + up * lower)


def look(
    face: Face,
    show: Show,
    turn: Callable[[float, float, float], Pose],
    mouth: Callable[[float, float, float], Pose],
) -> Mirror:
    """Look at a portrait: `turn` makes poses of turns, `mouth` of a gap, a width and a slide."""
    rest = _landmarks(show(mouth(0.0, 0.0, 0.0)), face)
    shape = rest[list(RIGID)] - rest[list(RIGID)].mean(axis=0)
    still = _turn(shape, rest)

    def seen(pose: Pose) -> F64:
        return _turn(shape, _landmarks(show(pose), face)) - still

    lean = np.array([[seen(mouth(gap, width, 0.0)) for width in WIDTHS] for gap in GAPS])
    answers = [(seen(turn(*away)) - seen(turn(*-away))) / (2 * _TURN) for away in _TURN * np.eye(3)]
    aside = (seen(mouth(0.0, 0.0, _SLID)) - seen(mouth(0.0, 0.0, -_SLID))) / (2 * _SLID)
    return Mirror(
        np.clip(_SURE * lean, -_LEAN, _LEAN), _SURE * aside, _plausible(np.array(answers).T)
    )


def _plausible(answer: F64) -> F64:
    own = np.diag(np.clip(np.diag(answer), *_SEEN))
    others = answer - np.diag(np.diag(answer))
    return np.asarray(own + np.clip(others, -_ASTRAY, _ASTRAY))


def _landmarks(rgb: U8, face: Face) -> F64:
    first = mesh(rgb, roi_around(face.landmarks))
    return mesh(rgb, roi_around(first.landmarks)).landmarks.astype(np.float64)


def _turn(shape: F64, landmarks: F64) -> F64:
    """Yaw, pitch and roll of landmarks (468, 3), as a driver's are measured."""
    turns, _, _ = fitted(shape, landmarks[None, list(RIGID)])
    yaw, pitch, roll = (float(angle[0]) for angle in angles(turns))
    left, right = landmarks[topology.LEFT_EYE_OUTER], landmarks[topology.RIGHT_EYE_OUTER]
    eyes_yaw, eyes_roll = (float(angle) for angle in eye_line(left, right))
    return np.array([yaw + EYES * (eyes_yaw - yaw), pitch, roll + EYES * (eyes_roll - roll)])


def _between(marks: F64, values: F64) -> tuple[npt.NDArray[np.intp], F64, F64]:
    """Between which marks values lie, and the shares (n, 1) of the lower and the upper one."""
    held = np.clip(values, marks[0], marks[-1])
    at = np.clip(np.searchsorted(marks, held, side="right") - 1, 0, len(marks) - 2)
    upper = ((held - marks[at]) / (marks[at + 1] - marks[at]))[:, None]
    return at, 1 - upper, np.asarray(upper)


def picture(luma: U8, chroma: U8) -> U8:
    """A frame's luma (h, w) and chroma (h/2, w/2, 2) as RGB (h, w, 3)."""
    planes = np.vstack([luma, chroma.reshape(-1, luma.shape[1])])
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_NV12), np.uint8)
