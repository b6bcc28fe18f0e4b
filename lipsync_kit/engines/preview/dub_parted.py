"""A second mouth for wide openings: the speaker's own, taken from a frame that shows it parted.

It brings the speaker's real teeth and the shape that lips have when they are apart. It is laid
over the mouth of the reference, at the same place and as wide, and shows the more of itself the
wider the new speech opens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_lips import Lips
from lipsync_kit.engines.preview.dub_view import STEADY, View
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.pose import Pose, weights

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_SHOWS: Final = (0.012, 0.040)  # face heights between the lips, from none to all of it
_MATCHED: Final = 0.026  # the opening at which both mouths are brought together
_SPREAD: Final = 0.13  # growth of the mouth's width per unit of a pose's width; see `movements`
_ROUND: Final = 0.26
_MOST: Final = 0.6  # units of a pose's width that the mouths may be apart


@dataclass(frozen=True, eq=False)
class Parted:
    """The parted mouth. `shift` (2,): pixels of its picture from its lips to the reference's.

    `width`: units of a pose's width that it has to be widened to be as wide.
    """

    lips: Lips
    shift: F64
    width: float

    @classmethod
    def of(cls, lips: Lips, rest: Lips) -> Parted:
        """`lips` brought together with those at `rest`."""
        pose = Pose(gap=_MATCHED)
        landmarks = lips.mouth.rig.head.landmarks
        view = rest.relief.view(landmarks[list(STEADY), :2])
        there, here = _edges(rest, pose), _edges(lips, pose)
        there = view.seen(there, rest.relief.depth_at(there[None])[0])
        growth = _width(there) / _width(here) - 1
        width = growth / (_SPREAD if growth > 0 else _ROUND)
        return cls(
            lips, there.mean(axis=0) - here.mean(axis=0), float(np.clip(width, -_MOST, _MOST))
        )

    def lay(self, pose: Pose, steady: F64, gap: float, luma: U8, chroma: U8) -> None:
        """Lay it over a frame's planes as far as `pose` shows it; see :meth:`Lips.lay`."""
        share = float(smoothstep(*_SHOWS, pose.gap))
        if share <= 0:
            return
        view = self.lips.relief.view(steady)
        moved = View(view.turn, view.away, view.shift + view.turn @ self.shift)
        wider = replace(pose, width=float(np.clip(pose.width + self.width, -1, 1)))
        self.lips.lay(wider, moved, gap, luma, chroma, share)


def _edges(lips: Lips, pose: Pose) -> F64:
    """The lips' inner edges (n, 2) in a pose."""
    amounts, sheets = weights(pose, lips.mouth.rig.line.gap), lips.mouth.sheets
    edges = [sheet.moved_edge(amounts) for sheet in (sheets.upper, sheets.lower)]
    return np.concatenate(edges).astype(np.float64)


def _width(edges: F64) -> float:
    """From corner to corner."""
    return float(np.linalg.norm(edges[len(edges) // 2 - 1] - edges[0]))
