"""A look at one face in one frame: only the part of the picture around it is made RGB."""

from __future__ import annotations

from typing import Final

import numpy as np

from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.grid import around
from lipsync_kit.face.mesh import Roi, mesh, roi_around
from lipsync_kit.face.shape import Face

PRESENT: Final = 0.5
"""Score of the mesh above which there is a face."""

_STRAY: Final = 0.08  # of the square's side that the face may be off its middle
_REACH: Final = 0.75  # of the square's side, to its corners when it is tilted


def look(picture: Picture, roi: Roi) -> Face | None:
    """The face in a tilted square of a frame, in the frame's pixels, or `None`.

    A face far off the square's middle is looked at again from where it was seen.
    """
    face = _mesh(picture, roi)
    settled = roi_around(face.landmarks)
    away = np.hypot(settled[0] - roi[0], settled[1] - roi[1])
    if face.score >= PRESENT and away > _STRAY * roi[2]:
        face = _mesh(picture, settled)
    return face if face.score >= PRESENT else None


def _mesh(picture: Picture, roi: Roi) -> Face:
    x, y, side, angle = roi
    reach = _REACH * side
    low, high = np.array([x - reach, y - reach]), np.array([x + reach, y + reach])
    area = around(low, high, 2, picture.width, picture.height)
    face = mesh(picture.rgb(area), (x - area.x0, y - area.y0, side, angle))
    moved = face.landmarks + np.array([area.x0, area.y0, 0], np.float32)
    return Face.of(moved, face.score)
