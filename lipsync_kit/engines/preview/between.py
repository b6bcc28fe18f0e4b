"""What shows between lips: whether they touch, whatever the landmarks say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.plate import to_ycc
from lipsync_kit.face import topology

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

_DARK: Final = 0.6  # of the lips' luma, below which one looks into the mouth
_PALE: Final = 0.5  # of the lips' redness, below which light spots are teeth
_AROUND: Final = 0.25  # of the mouth's width, the skin beside the lips that they are compared with

OUTER: Final = (*topology.UPPER_LIP[0], *topology.LOWER_LIP[0][-2:0:-1])
INNER: Final = (*topology.UPPER_LIP[-1], *topology.LOWER_LIP[-1][-2:0:-1])


@dataclass(frozen=True)
class Between:
    """What was seen.

    `red`: by how much the lips are redder than the skin around them. `inside`, `teeth`: of what
    the lips leave open, how much is dark or teeth, and how much is teeth; 0 to 1.
    """

    red: float
    inside: float
    teeth: float


def between_lips(luma: U8, tint: U8, landmarks: F32) -> Between:
    """What planes of luma and redness (h, w) show between the lips of landmarks (468, 3)."""
    outer, between = (_within(luma.shape, landmarks[list(ids), :2]) for ids in (OUTER, INNER))
    reach = max(3, round(_AROUND * float(np.ptp(landmarks[list(OUTER), 0]))))
    lips, skin = outer & ~_grown(between, 3), _grown(outer, reach) & ~outer
    if not lips.any():
        return Between(0.0, 0.0, 0.0)
    light, lip, plain = (
        float(np.median(v)) for v in (luma[lips].astype(float), tint[lips], tint[skin])
    )
    red = max(0.0, lip - plain)
    if not between.any():
        return Between(red, 0.0, 0.0)
    dark = luma[between] < 16 + _DARK * (light - 16)
    teeth = (tint[between] < lip - _PALE * red) & (luma[between] > light)
    return Between(red, float((dark | teeth).mean()), float(teeth.mean()))


def between_lips_of(rgb: U8, landmarks: F32) -> Between:
    """The same of a picture (h, w, 3)."""
    mouth = landmarks[list(OUTER), :2]
    reach = (_AROUND + 0.05) * float(np.ptp(mouth[:, 0])) + 3
    x0, y0 = np.maximum(np.floor(mouth.min(axis=0) - reach).astype(int), 0)
    x1, y1 = np.maximum(np.ceil(mouth.max(axis=0) + reach).astype(int), 0)
    cut = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    if cut.size == 0:
        return Between(0.0, 0.0, 0.0)
    ycc = np.rint(to_ycc(cut)).astype(np.uint8)
    own = landmarks - np.array([x0, y0, 0], np.float32)
    return between_lips(ycc[..., 0], ycc[..., 2], own)


def _within(shape: tuple[int, ...], outline: F32) -> Mask:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return mask > 0


def _grown(mask: Mask, size: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8))) > 0
