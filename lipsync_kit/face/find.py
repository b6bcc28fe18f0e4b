"""Faces of one picture."""

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.face.detect import SIDE, candidates, detect
from lipsync_kit.face.mesh import Roi, mesh, roi_around
from lipsync_kit.face.shape import Face

# Measured on portraits and on pictures without a face: a true face, cut out upright, is
# detected at 0.87 and more with a mesh score of 1.0; a cloud, a knuckle or a coin at 0.78 and
# less with a mesh score below 0.3. So the first look may be generous, and finds drawn faces.
_POSSIBLE: Final = 0.35
_PRESENT: Final = 0.5
_CERTAIN: Final = 0.8
_HOPELESS: Final = 0.05
_PASSES: Final = 3  # the square follows the landmarks; it settles after two more looks
_SAME: Final = 0.5  # face heights between two centres below which they are one face


def find_faces(rgb: npt.NDArray[np.uint8]) -> list[Face]:
    """All faces of a picture, shape (h, w, 3), largest first; photo, painting or drawing.

    Small faces of a large picture are found as well. A face seen from the side or from behind,
    or an animal's, is usually not. Costs 0.1 to 0.5 s of CPU.
    """
    picture = np.ascontiguousarray(rgb)
    faces: list[Face] = []
    for candidate in candidates(picture, _POSSIBLE):
        face = _settle(picture, candidate.roi)
        if face is None or any(_same(face, other) for other in faces):
            continue
        if _detected_again(picture, face):
            faces.append(face)
    return sorted(faces, key=lambda face: -face.height)


def _settle(picture: npt.NDArray[np.uint8], roi: Roi) -> Face | None:
    face = mesh(picture, roi)
    for _ in range(_PASSES - 1):
        if face.score < _HOPELESS:
            return None
        face = mesh(picture, roi_around(face.landmarks))
    return face if face.score >= _PRESENT else None


def _detected_again(picture: npt.NDArray[np.uint8], face: Face) -> bool:
    """Whether the detector sees a face where the mesh is, cut out upright with some room around."""
    cx, cy, side, angle = roi_around(face.landmarks)
    crop = 2 * SIDE
    zoom = crop / (1.3 * side)
    upright = np.asarray(cv2.getRotationMatrix2D((cx, cy), math.degrees(angle), zoom))
    upright[:, 2] += np.array([crop / 2 - cx, crop / 2 - cy])
    cut = cv2.warpAffine(picture, upright, (crop, crop), borderMode=cv2.BORDER_REPLICATE)
    return bool(detect(np.asarray(cut, np.uint8), 0, 0, crop, _CERTAIN))


def _same(a: Face, b: Face) -> bool:
    apart = a.landmarks[:, :2].mean(axis=0) - b.landmarks[:, :2].mean(axis=0)
    return float(np.linalg.norm(apart)) < _SAME * max(a.height, b.height)
