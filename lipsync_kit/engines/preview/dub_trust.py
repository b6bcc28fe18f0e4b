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
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.sampling import sampled
from lipsync_kit.face import Face, topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

# Correlations of a face, brought to rest, with the reference's, between which trust goes from
# 0 to 1. Measured on speech, smiles, grimaces: 0.72 and more in luma, 0.79 in red; with a hand
# before the mouth 0.37 to 0.87 in luma and at most 0.67 in red, beside it from 0.58 in luma.
_LUMA: Final = (0.55, 0.70)
_RED: Final = (0.68, 0.78)
_COLOURLESS: Final = 1.5  # deviation of red below which it tells nothing
_WIDE: Final = (0.09, 0.13)  # gap of a shouting mouth, which no longer looks like one at rest
_LUMA_WIDE: Final = (0.25, 0.40)
_TURNED: Final = (30.0, 42.0)  # degrees of yaw between which trust goes
_TURNED_AWAY: Final = (24.0, 36.0)  # the same from the reference's own yaw or pitch
_PART: Final = (0.30, -0.17, 0.22)  # of the face that is compared: beside, top, bottom; frontal
_CORNERS: Final = (*topology.UPPER_LIP[0][::10], topology.UPPER_LIP[0][5], topology.LOWER_LIP[0][5])


@dataclass(frozen=True, eq=False)
class Looks:
    """How the reference looks around the mouth.

    `part` (rows, columns): which of the nodes of `rest` are compared. `known` (2, n): luma and
    red there.
    """

    rest: Rest
    face: Face
    part: npt.NDArray[np.bool_]
    known: F32

    @classmethod
    def of(cls, rest: Rest, luma: U8, chroma: U8, face: Face) -> Looks:
        """The looks of a reference's planes and the face in them."""
        beside, top, bottom = _PART
        u, v = rest.frontal[..., 0], rest.frontal[..., 1]
        part = (np.abs(u) < beside) & (v > top) & (v < bottom)
        looks = cls(rest, face, part, np.empty((2, 0), np.float32))
        itself = View(np.eye(2), np.zeros(2), np.zeros(2))
        still = np.zeros((*part.shape, 2), np.float32)
        return replace(looks, known=looks._shown(Picture(0, luma, chroma), itself, still))

    def trust(self, picture: Picture, view: View, field: F32, face: Face) -> float:
        """How sure it is that the mouth can be seen and drawn, 0 to 1.

        `field` (rows, columns, 2): what the frame's speaker does, see `Rest.expression`.
        """
        x, y = face.landmarks[list(_CORNERS), :2].T
        if x.min() < 0 or y.min() < 0 or x.max() >= picture.width or y.max() >= picture.height:
            return 0.0
        apart = max(abs(face.yaw - self.face.yaw), abs(face.pitch - self.face.pitch))
        turned = float(
            max(smoothstep(*_TURNED, abs(face.yaw)), smoothstep(*_TURNED_AWAY, apart), key=float)
        )
        shown = self._shown(picture, view, field)
        luma, red = (_alike(a, b) for a, b in zip(shown, self.known, strict=True))
        alike = float(smoothstep(*_LUMA, luma))
        if float(self.known[1].std()) > _COLOURLESS:
            alike = min(alike, float(smoothstep(*_RED, red)))
        shouts = float(smoothstep(*_WIDE, face.mouth_openness))
        alike = max(alike, min(shouts, float(smoothstep(*_LUMA_WIDE, luma))))
        return float(min(alike, 1 - turned))

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
