"""How a frame shows a mouth: what makes it fit to be drawn from, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.between import Between, between_lips
from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_speaker import Reference
from lipsync_kit.engines.preview.grid import around
from lipsync_kit.face import Face, topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_SMALLEST: Final = 40.0  # pixels of face height below which no mouth can be drawn
_TURNED: Final = 35.0  # degrees
_CUT_OFF: Final = (0.10, 0.35, 0.05)  # of a face, that may lie outside: beside, above, below
_MARGIN: Final = (0.30, 0.45)  # face heights around the face, and below it, that are kept
_CLOSED: Final = 0.016  # face heights between the inner lips up to which they touch
_NEARLY: Final = (0.05, 0.16)  # the same where only this share of what is between isn't lips


@dataclass(frozen=True, eq=False)
class Mouth:
    """A frame that may become a reference.

    `traits` (4,): the mouth's width and how far its corners are below the upper lip (face
    heights), yaw and pitch (degrees). `gap`: face heights between the lips, 0 where they
    touch. `detail`: how sharp it is.
    """

    reference: Reference
    traits: F64
    gap: float
    detail: float
    between: Between


def usable(picture: Picture, face: Face) -> bool:
    """Whether a face is large enough, not turned away, and in the picture but for its rim."""
    x, y, width, height = face.box
    beside, above, below = _CUT_OFF[0] * width, _CUT_OFF[1] * height, _CUT_OFF[2] * height
    across = x >= -beside and x + width < picture.width + beside
    down = y >= -above and y + height < picture.height + below
    return across and down and face.height >= _SMALLEST and abs(face.yaw) <= _TURNED


def traits_of(face: Face) -> F64:
    """See :class:`Mouth`."""
    points = face.landmarks[:, :2].astype(np.float64)
    down = points[topology.CHIN] - points[topology.FOREHEAD]
    outer, inner = topology.UPPER_LIP[0], topology.UPPER_LIP[-1]
    corners = (points[outer[0]] + points[outer[-1]]) / 2 - points[inner[5]]
    height = float(corners @ down / (down @ down))
    return np.array([face.mouth_width, height, face.yaw, face.pitch])


def mouth_of(picture: Picture, face: Face) -> Mouth:
    """The mouth of a usable face, and a copy of what is around it."""
    x, y, width, height = face.box
    beside, below = (margin * face.height for margin in _MARGIN)
    low, high = (x - beside, y - beside), (x + width + beside, y + height + below)
    area = around(low, high, 2, picture.width, picture.height)
    landmarks = face.landmarks - np.array([area.x0, area.y0, 0], np.float32)
    luma, chroma = picture.luma[area.luma].copy(), picture.chroma[area.chroma].copy()
    size = luma.shape[1], luma.shape[0]
    tint = cv2.resize(np.ascontiguousarray(chroma[..., 1]), size, interpolation=cv2.INTER_LINEAR)
    between = between_lips(luma, np.asarray(tint, np.uint8), landmarks)
    gap = face.mouth_openness
    closed = gap <= _CLOSED or (gap <= _NEARLY[0] and between.inside <= _NEARLY[1])
    return Mouth(
        Reference(picture.place, closed, luma, chroma, landmarks),
        traits_of(face),
        0.0 if closed else gap,
        _detail(luma, landmarks, face.height),
        between,
    )


def _detail(luma: U8, landmarks: F32, height: float) -> float:
    """How sharp the mouth is, against other frames of the same face."""
    middle = landmarks[list(topology.UPPER_LIP[0]), :2].mean(axis=0)
    low, high = middle - 0.2 * height, middle + 0.2 * height
    area = around(low, high, 2, luma.shape[1], luma.shape[0])
    plane = np.ascontiguousarray(luma[area.luma])
    return float(np.asarray(cv2.Laplacian(plane, cv2.CV_32F)).std())
