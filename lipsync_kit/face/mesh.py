"""FaceMesh: 468 landmarks from a tilted square of the picture."""

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.face import topology
from lipsync_kit.face.networks import Tensor, probability, run
from lipsync_kit.face.shape import Face, Points

_SIDE: Final = 192
_MARGIN: Final = 1.5  # side of the square over the face's larger extent, as the network was trained

RGB = npt.NDArray[np.uint8]
Roi = tuple[float, float, float, float]
"""Centre x and y, side (pixels), angle (radians, clockwise in the picture)."""


def mesh(rgb: RGB, roi: Roi) -> Face:
    """The face in a tilted square of a picture (h, w, 3); its `score` says whether there is one."""
    cx, cy, side, angle = roi
    scale = side / _SIDE
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    turn = np.array([[cos, -sin], [sin, cos]])
    corner = np.array([cx, cy]) - turn @ np.full(2, _SIDE / 2)
    to_picture = np.column_stack([turn, corner])
    crop = cut_square(rgb, to_picture, scale, _SIDE)
    presence, geometry = run("face_landmark.tflite", crop)
    inside = geometry.reshape(topology.LANDMARKS, 3)
    landmarks = np.empty((topology.LANDMARKS, 3), np.float32)
    landmarks[:, :2] = inside[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
    landmarks[:, 2] = inside[:, 2] * scale
    return Face.of(landmarks, float(probability(presence.ravel())[0]))


def cut_square(rgb: RGB, to_picture: npt.NDArray[np.float64], scale: float, side: int) -> Tensor:
    """A network's input: the square of `side` samples that `to_picture` (2, 3) leads from.

    `scale` is picture pixels per sample. Shape (side, side, 3), 0 to 1.
    """
    # Sampling a large face at every scale-th pixel aliases; take a finer crop and average it.
    finer = min(4, max(1, round(scale)))
    zoom = to_picture.copy()
    zoom[:, :2] /= finer
    zoom[:, 2] = to_picture[:, 2] + (to_picture[:, :2] @ np.ones(2)) * (0.5 / finer - 0.5)
    size = (side * finer, side * finer)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(rgb, zoom, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.float32) / np.float32(255)


def roi_around(landmarks: Points) -> Roi:
    """The square in which the network looks best at a face with these landmarks."""
    dx, dy, _ = landmarks[topology.RIGHT_EYE_OUTER] - landmarks[topology.LEFT_EYE_OUTER]
    angle = math.atan2(float(dy), float(dx))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    upright = landmarks[:, :2] @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    cx, cy = turn.T @ ((low + high) / 2)
    return float(cx), float(cy), _MARGIN * float(max(high - low)), angle
