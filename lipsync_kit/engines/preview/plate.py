"""The portrait as planes of luma and chroma, ready to be sampled between its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.sampling import halved, widened
from lipsync_kit.engines.preview.size import preview_size
from lipsync_kit.errors import InputError

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

# BT.709, limited range: rows Y, Cb, Cr over RGB in 0..255.
_KR: Final = 0.2126
_KB: Final = 0.0722
_KG: Final = 1 - _KR - _KB
_TO_YCC: Final = np.array(
    [
        [_KR * 219 / 255, _KG * 219 / 255, _KB * 219 / 255, 16],
        [-_KR / (1 - _KB) * 112 / 255, -_KG / (1 - _KB) * 112 / 255, 112 / 255, 128],
        [112 / 255, -_KG / (1 - _KR) * 112 / 255, -_KB / (1 - _KR) * 112 / 255, 128],
    ],
    np.float32,
)


@dataclass(frozen=True, eq=False)
class Plate:
    """A picture at the preview's size.

    `rgb`: (h, w, 3). `luma`: (h, w). `fine`: luma on a grid twice as fine, (2h, 2w), whose even
    samples are those of `luma`; sampling it linearly costs little and blurs little. `chroma`:
    Cb and Cr interleaved, (h/2, w/2, 2), each sample in the middle of four pixels.
    """

    rgb: U8
    luma: U8
    fine: U8
    chroma: U8

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.luma.shape[0])


def to_ycc(rgb: U8 | F32) -> F32:
    """RGB in 0..255 to Y, Cb, Cr of BT.709 in limited range; shape (h, w, 3), not rounded."""
    return np.asarray(cv2.transform(rgb.astype(np.float32), _TO_YCC), np.float32)


def plate_of(rgb: U8) -> Plate:
    """The planes of a picture with even sides, shape (h, w, 3)."""
    ycc = to_ycc(rgb)
    luma = np.clip(np.rint(ycc[:, :, 0]), 16, 235).astype(np.uint8)
    chroma = np.clip(np.rint(halved(ycc[:, :, 1:])), 16, 240).astype(np.uint8)
    return Plate(rgb, luma, _finer(luma), chroma)


def plate_of_planes(luma: U8, chroma: U8) -> Plate:
    """The plate of a video's frame: luma (h, w) and chroma (h/2, w/2, 2), BT.709, limited range."""
    ycc = np.dstack([luma.astype(np.float32), widened(chroma.astype(np.float32), 2)])
    back = np.linalg.inv(_TO_YCC[:, :3])
    to_rgb = np.column_stack([back, -back @ _TO_YCC[:, 3]]).astype(np.float32)
    rgb = np.clip(np.rint(cv2.transform(ycc, to_rgb)), 0, 255).astype(np.uint8)
    return Plate(rgb, luma, _finer(luma), chroma)


def _finer(luma: U8) -> U8:
    """`luma` (h, w) at twice its size, its own samples kept as the even ones."""
    doubling = np.array([[2, 0, 0], [0, 2, 0]], np.float32)
    size = 2 * luma.shape[1], 2 * luma.shape[0]
    how, edge = cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(luma, doubling, size, flags=how, borderMode=edge), np.uint8)


def read_plate(path: Path, resolution: str) -> Plate:
    """The prepared image at the preview's size.

    Raises :class:`~lipsync_kit.errors.InputError` when it can't be read.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(
            f"{path}: can't be read: {error.strerror}.", code="image_unreadable"
        ) from error
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if bgr is None:
        raise InputError(
            f"{path}: not a picture that can be read.",
            code="image_unreadable",
            hint="Run prep again; it prepares the picture anew.",
        )
    size = preview_size(bgr.shape[1], bgr.shape[0], resolution)
    how = cv2.INTER_AREA if size[0] < bgr.shape[1] else cv2.INTER_CUBIC
    sized = cv2.resize(bgr, size, interpolation=how)
    return plate_of(np.ascontiguousarray(sized[:, :, ::-1]).astype(np.uint8, copy=False))
