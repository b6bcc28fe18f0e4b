"""Where there is no face to move: a slow camera over the picture."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.plate import Plate

U8 = npt.NDArray[np.uint8]

_ZOOM: Final = 0.06  # at most, of the picture's size
_PERIODS: Final = (26.0, 34.0, 43.0)  # seconds: in and out, sideways, up and down


@dataclass(frozen=True, eq=False)
class Camera:
    """A gentle move that never shows the picture's edge and never jumps."""

    plate: Plate
    fps: Fraction

    def draw(self, frame: int, luma: U8, chroma: U8) -> None:
        """Draw a frame of the film into its luma (h, w) and chroma (h/2, w/2, 2), in place."""
        t = frame / float(self.fps)
        across, down = (np.sin(2 * np.pi * t / period) for period in _PERIODS[1:])
        # The film begins with the whole picture and without speed.
        near = _ZOOM * (1 - np.cos(2 * np.pi * t / _PERIODS[0])) / 2
        width, height = self.plate.width, self.plate.height
        scale = 1 / (1 + near)
        free = (1 - scale) / 2
        x = (width - 1) * (free + 0.7 * free * across)
        y = (height - 1) * (free + 0.7 * free * down)
        fine = np.array([[2 * scale, 0, 2 * x], [0, 2 * scale, 2 * y]])
        corner = np.array([x, y]) + 0.5 * scale
        half = np.array([[scale, 0, (corner[0] - 0.5) / 2], [0, scale, (corner[1] - 0.5) / 2]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        edge = cv2.BORDER_REPLICATE
        luma[:] = cv2.warpAffine(self.plate.fine, fine, (width, height), flags=how, borderMode=edge)
        size = width // 2, height // 2
        chroma[:] = cv2.warpAffine(self.plate.chroma, half, size, flags=how, borderMode=edge)
