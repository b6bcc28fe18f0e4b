"""Frames in other colours than the film's: BT.601 and the like, or full range, to BT.709.

A prepared video may be a copy of the given one, with its colours. Luma and chroma of one
matrix are linear in those of another (ITU-T H.273), so no RGB is needed on the way; PyAV's own
converter leaves luma as far off on the other side.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
F64 = npt.NDArray[np.float64]

_BT709: Final = (0.2126, 0.0722)
_OTHERS: Final = {4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087)}
"""Kr and Kb by the number of H.273's matrix coefficients; without any they are BT.709's."""


def to_bt709(luma: U8, chroma: U8, matrix: int, full_range: bool) -> tuple[U8, U8]:
    """Luma (h, w) and chroma (h/2, w/2, 2) in limited range of BT.709.

    `matrix`: H.273's matrix coefficients of the frame.
    """
    if matrix not in _OTHERS and not full_range:
        return luma, chroma
    change = _change(_OTHERS.get(matrix, _BT709))
    low, swing, colours = (0, 255, 255) if full_range else (16, 219, 224)
    tint = (chroma.astype(np.float32) - 128) / colours
    added = np.asarray(cv2.transform(tint, 219 * change[:1, 1:]), np.float32)
    width, height = luma.shape[1], luma.shape[0]
    wide = cv2.resize(added, (width, height), interpolation=cv2.INTER_LINEAR)
    light = (luma.astype(np.float32) - low) * np.float32(219 / swing) + 16 + wide
    colour = 128 + 224 * np.asarray(cv2.transform(tint, change[1:, 1:]), np.float32)
    return _rounded(light), _rounded(colour)


@cache
def _change(constants: tuple[float, float]) -> F64:
    """From Y, Cb, Cr of one matrix to those of BT.709, (3, 3)."""
    return _from_rgb(_BT709) @ np.linalg.inv(_from_rgb(constants))


def _from_rgb(constants: tuple[float, float]) -> F64:
    red, blue = constants
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack(
        [luma, ([0, 0, 1] - luma) / (2 * (1 - blue)), ([1, 0, 0] - luma) / (2 * (1 - red))]
    )


def _rounded(plane: npt.NDArray[np.float32]) -> U8:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)
