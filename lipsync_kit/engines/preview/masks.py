"""Soft-edged masks over an area of the frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.engines.preview.sampling import blurred

F32 = npt.NDArray[np.float32]


def side_of(area: Area, edge: npt.NDArray[Any], away: npt.NDArray[Any], blur: float) -> F32:
    """How much of each pixel of `area` lies on the side of `edge` towards which `away` points.

    `edge` (n, 2), in pixels from left to right, goes on straight beyond its ends; `away` is a
    unit vector across it; `blur` is the Gaussian's sigma in pixels. Shape (h, w), 0 to 1.
    """
    far = 4.0 * max(area.x1 - area.x0, area.y1 - area.y0)
    along = np.array([-away[1], away[0]])
    along = along if along[0] > 0 else -along
    path = np.concatenate([[edge[0] - far * along], edge, [edge[-1] + far * along]])
    return filled(area, np.concatenate([path, path[[-1, 0]] + far * away]), blur)


def filled(area: Area, outline: npt.NDArray[Any], blur: float) -> F32:
    """How much of each pixel of `area` lies within a polygon (n, 2); shape (h, w), 0 to 1."""
    points = np.rint((outline - (area.x0, area.y0)) * 16).astype(np.int32)
    mask = np.zeros((area.y1 - area.y0, area.x1 - area.x0), np.uint8)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
    return blurred(mask, blur).astype(np.float32) / np.float32(255)
