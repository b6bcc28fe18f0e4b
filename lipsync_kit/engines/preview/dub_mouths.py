"""How a frame shows a mouth: what makes it fit to be drawn from, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_speaker import Reference
from lipsync_kit.engines.preview.grid import around
from lipsync_kit.face import Face, topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_SMALLEST: Final = 40.0  # pixels of face height below which no mouth can be drawn
_TURNED: Final = 35.0  # degrees
_CUT_OFF: Final = (0.10, 0.35, 0.05)  # of a face, that may lie outside: beside, above, below
_MARGIN: Final = (0.30, 0.45)  # face heights around the face, and below it, that are kept
_CLOSED: Final = 0.016  # face heights between the inner lips up to which they touch
_NEARLY: Final = (0.05, 0.16)  # the same where only this share of what is between isn't lips
_DARK: Final = 0.6  # of the lips' luma, below which one looks into the mouth
_PALE: Final = 0.5  # of the lips' redness, below which light spots are teeth

_OUTER: Final = (*topology.UPPER_LIP[0], *topology.LOWER_LIP[0][-2:0:-1])
_INNER: Final = (*topology.UPPER_LIP[-1], *topology.LOWER_LIP[-1][-2:0:-1])


@dataclass(frozen=True, eq=False)
class Mouth:
    """A frame that may become a reference.

    `traits` (4,): the mouth's width and how far its corners are below the upper lip (face
    heights), yaw and pitch (degrees). `gap`: face heights between the lips, 0 where they
    touch. `detail`: how sharp it is. `red`: by how much the lips are redder than the skin
    around them. `inside`, `teeth`: of what the lips leave open, how much is dark or teeth, and
    how much is teeth.
    """

    reference: Reference
    traits: F64
    gap: float
    detail: float
    red: float
    inside: float
    teeth: float


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
    red, inside, teeth = _colours(luma, chroma, landmarks)
    gap = face.mouth_openness
    closed = gap <= _CLOSED or (gap <= _NEARLY[0] and inside <= _NEARLY[1])
    return Mouth(
        Reference(picture.place, closed, luma, chroma, landmarks),
        traits_of(face),
        0.0 if closed else gap,
        _detail(luma, landmarks, face.height),
        red,
        inside,
        teeth,
    )


def _detail(luma: U8, landmarks: F32, height: float) -> float:
    """How sharp the mouth is, against other frames of the same face."""
    middle = landmarks[list(topology.UPPER_LIP[0]), :2].mean(axis=0)
    low, high = middle - 0.2 * height, middle + 0.2 * height
    area = around(low, high, 2, luma.shape[1], luma.shape[0])
    plane = np.ascontiguousarray(luma[area.luma])
    return float(np.asarray(cv2.Laplacian(plane, cv2.CV_32F)).std())


def _colours(luma: U8, chroma: U8, landmarks: F32) -> tuple[float, float, float]:
    """Redness of the lips, and how much of what is between them is inside, and is teeth."""
    size = luma.shape[1], luma.shape[0]
    tint = cv2.resize(np.ascontiguousarray(chroma[..., 1]), size, interpolation=cv2.INTER_LINEAR)
    outer, between = (_within(luma.shape, landmarks[list(ids), :2]) for ids in (_OUTER, _INNER))
    reach = max(3, round(0.25 * float(np.ptp(landmarks[list(_OUTER), 0]))))
    lips, skin = outer & ~_grown(between, 3), _grown(outer, reach) & ~outer
    if not lips.any():
        return 0.0, 0.0, 0.0
    light, lip, plain = (
        float(np.median(v)) for v in (luma[lips].astype(float), tint[lips], tint[skin])
    )
    red = max(0.0, lip - plain)
    if not between.any():
        return red, 0.0, 0.0
    dark = luma[between] < 16 + _DARK * (light - 16)
    teeth = (tint[between] < lip - _PALE * red) & (luma[between] > light)
    return red, float((dark | teeth).mean()), float(teeth.mean())


def _within(shape: tuple[int, ...], outline: F32) -> Mask:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return mask > 0


def _grown(mask: Mask, size: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8))) > 0
