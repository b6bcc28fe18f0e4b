"""Whether a frame still shows what the reference shows: no hand before the mouth, no profile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_rest import Rest
from lipsync_kit.engines.preview.dub_view import View
from lipsync_kit.engines.preview.grid import around
from lipsync_kit.engines.preview.mouthline import MouthLine
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.sampling import sampled
from lipsync_kit.face import Face, topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Trust goes from 0 to 1 between these. The first is of the lower lip's redness, in the third of
# it that shows least, over the reference's: speech and smiles 0.27 and more, a hand over any
# part of the mouth hardly ever as much. The others are correlations of the face, brought to
# rest, with the reference's: 0.59 and more in luma, 0.70 in red.
_LIP: Final = (0.20, 0.32)
_LUMA: Final = (0.45, 0.58)
_RED: Final = (0.55, 0.66)
_PALE: Final = 2.0  # steps of redness of the lips below which colour tells nothing
_LUMA_ALONE: Final = (0.55, 0.70)
_WIDE: Final = (0.09, 0.13)  # gap of a shouting mouth, which no longer looks like one at rest
_LUMA_WIDE: Final = (0.38, 0.46)
_TURNED: Final = (30.0, 42.0)  # degrees of yaw between which trust goes
_TURNED_AWAY: Final = (24.0, 36.0)  # the same from the reference's own yaw or pitch
_PART: Final = (0.30, -0.17, 0.22)  # of the face that is compared: beside, top, bottom; frontal
_LOWER_LIP: Final = (0.008, 0.045)  # below the lips' line; face heights
_SKIN: Final = ((-0.10, -0.06), (0.075, 0.12))
_THIRDS: Final = ((-0.8, -0.27), (-0.27, 0.27), (0.27, 0.8))  # across the mouth, −1..1
_CORNERS: Final = (*topology.UPPER_LIP[0][::10], topology.UPPER_LIP[0][5], topology.LOWER_LIP[0][5])


@dataclass(frozen=True, eq=False)
class Looks:
    """How the reference looks around the mouth.

    `part` (rows, columns): which of the nodes of `rest` are compared. `known` (2, n): luma and
    red there. `lip`, `skin` (3, n): which of them are on each third of the lower lip, and on
    the skin above and below it. `red` (3,): by how much the lip is redder there.
    """

    rest: Rest
    face: Face
    part: Mask
    known: F32
    lip: Mask
    skin: Mask
    red: F64

    @classmethod
    def of(cls, rest: Rest, line: MouthLine, luma: U8, chroma: U8, face: Face) -> Looks:
        """The looks of a reference's planes and the face in them."""
        beside, top, bottom = _PART
        u, v = rest.frontal[..., 0], rest.frontal[..., 1]
        part = (np.abs(u) < beside) & (v > top) & (v < bottom)
        x = (u[part] - line.middle) / line.half_width
        below = v[part] - np.interp(u[part], line.u, (line.upper + line.lower) / 2)
        thirds = np.stack([_between(x, third) for third in _THIRDS])
        lip = thirds & _between(below, _LOWER_LIP)
        skin = thirds & (_between(below, _SKIN[0]) | _between(below, _SKIN[1]))
        looks = cls(rest, face, part, np.empty((2, 0), np.float32), lip, skin, np.empty(0))
        itself = View(np.eye(2), np.zeros(2), np.zeros(2))
        still = np.zeros((*part.shape, 2), np.float32)
        known = looks._shown(Picture(0, luma, chroma), itself, still)
        return replace(looks, known=known, red=looks._redness(known[1]))

    def trust(self, picture: Picture, view: View, field: F32, face: Face) -> float:
        """How sure it is that the mouth can be seen and drawn, 0 to 1.

        `field` (rows, columns, 2): what the frame's speaker does, see `Rest.expression`.
        """
        x, y = face.landmarks[list(_CORNERS), :2].T
        if x.min() < 0 or y.min() < 0 or x.max() >= picture.width or y.max() >= picture.height:
            return 0.0
        apart = max(abs(face.yaw - self.face.yaw), abs(face.pitch - self.face.pitch))
        turned = max(_ramp(_TURNED, abs(face.yaw)), _ramp(_TURNED_AWAY, apart))
        shown = self._shown(picture, view, field)
        luma, red = (_alike(a, b) for a, b in zip(shown, self.known, strict=True))
        if self.red.min() < _PALE:
            alike = _ramp(_LUMA_ALONE, luma)
        else:
            lip = float((self._redness(shown[1]) / self.red).min())
            alike = min(_ramp(_LIP, lip), _ramp(_LUMA, luma), _ramp(_RED, red))
        shouts = _ramp(_WIDE, face.mouth_openness)
        return min(max(alike, min(shouts, _ramp(_LUMA_WIDE, luma))), 1 - turned)

    def _redness(self, red: F32) -> F64:
        """By how much the lower lip is redder than the skin, in each third (3,)."""
        return np.array(
            [
                red[lip].mean() - red[skin].mean() if lip.any() and skin.any() else 0.0
                for lip, skin in zip(self.lip, self.skin, strict=True)
            ]
        )

    def _shown(self, picture: Picture, view: View, field: F32) -> F32:
        """Luma and red that a frame shows at the nodes, when its expression is undone; (2, n)."""
        relief = self.rest.relief
        at = view.seen((self.rest.nodes + field)[self.part], relief.depth[self.part])
        area = around(at.min(axis=0), at.max(axis=0), 2, picture.width, picture.height)
        apart = max(1.0, relief.grid.step * view.scale)
        return np.stack(
            [
                _averaged(plane, at - (area.x0, area.y0), apart, scale)
                for plane, scale in (
                    (picture.luma[area.luma], 1),
                    (picture.chroma[area.chroma][..., 1], 2),
                )
            ]
        )


def _ramp(bounds: tuple[float, float], value: float) -> float:
    return float(smoothstep(*bounds, value))


def _between(values: F64, bounds: tuple[float, float]) -> Mask:
    return (values > bounds[0]) & (values < bounds[1])


def _alike(a: F32, b: F32) -> float:
    """Correlation (Pearson's); 0 where one of them is flat."""
    a, b = a - a.mean(), b - b.mean()
    power = float((a * a).sum()) * float((b * b).sum())
    return float((a * b).sum()) / power**0.5 if power > 0 else 0.0


def _averaged(plane: U8, at: F64, apart: float, scale: int) -> F32:
    """Values (n,) of a plane at points (n, 2), each the mean of its surroundings.

    `scale`: pixels per sample of the plane.
    """
    rows, columns = plane.shape
    size = max(1, round(columns * scale / apart)), max(1, round(rows * scale / apart))
    small = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA)
    zoom = np.array([size[0] / (columns * scale), size[1] / (rows * scale)])
    index = (at + 0.5) * zoom - 0.5
    return np.asarray(sampled(np.asarray(small, np.float32), index[None])[0])
