"""Which frame of a shot shows the speaker's mouth best: closed, relaxed, sharp, facing as usual."""

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

_CLOSED: Final = 0.016  # face heights between the inner lips up to which they are closed
_SMALLEST: Final = 40.0  # pixels of face height below which no mouth can be drawn
_TURNED: Final = 35.0  # degrees
_MARGIN: Final = (0.30, 0.45)  # face heights around the face, and below it, that are kept
_KEPT: Final = 12
_LEAST_OPEN: Final = 4  # how many of the others are kept when the mouth never closes

# What makes a mouth unlike the speaker's usual one, and how much of it counts as one: its width,
# the height of its corners (face heights), yaw and pitch (degrees).
_SCALES: Final = np.array([0.02, 0.025, 6.0, 6.0])
_BLURRED: Final = 3.0  # what a mouth without any detail counts
_ROLLED_IN: Final = 12.0  # what a mouth counts whose lips don't show
_OPEN: Final = 0.02  # face heights of a gap that count as one


@dataclass(frozen=True, eq=False)
class _Candidate:
    """`red`: by how much the lips are redder than the skin around them."""

    reference: Reference
    traits: F64
    gap: float
    detail: float
    red: float


class References:
    """Keeps the best frames of a shot, a few at a time."""

    def __init__(self) -> None:
        self._closed: list[_Candidate] = []
        self._open: list[_Candidate] = []
        self._traits: list[F64] = []
        self._count = 0
        self._every = 1

    def consider(self, picture: Picture, face: Face) -> None:
        """Take in a frame and the speaker's face in it."""
        if not _whole(picture, face):
            return
        self._traits.append(_traits(face))
        gap = face.mouth_openness
        if gap <= _CLOSED:
            if self._count % self._every == 0:
                self._closed.append(_candidate(picture, face))
            self._count += 1
            if len(self._closed) > _KEPT:
                # Every second one, so that what is kept stays spread over the shot.
                self._closed, self._every = self._closed[::2], 2 * self._every
        elif len(self._open) < _LEAST_OPEN or gap < self._open[-1].gap:
            self._open.append(_candidate(picture, face))
            self._open.sort(key=lambda candidate: candidate.gap)
            del self._open[_LEAST_OPEN:]

    def best(self) -> Reference | None:
        """The best of them: the one most like the others, and facing as most of the shot."""
        candidates = self._closed or self._open
        if not candidates:
            return None
        usual = np.median(self._traits, axis=0)
        sharpest, reddest = (
            max(*(getattr(c, name) for c in candidates), 1e-6) for name in ("detail", "red")
        )

        def oddness(candidate: _Candidate) -> float:
            odd = float((((candidate.traits - usual) / _SCALES) ** 2).sum())
            odd += _BLURRED * (1 - candidate.detail / sharpest)
            odd += _ROLLED_IN * (1 - candidate.red / reddest)
            return odd + max(0.0, candidate.gap) / _OPEN

        return min(candidates, key=oddness).reference


def _whole(picture: Picture, face: Face) -> bool:
    x, y, width, height = face.box
    inside = x >= 0 and y >= 0 and x + width < picture.width and y + height < picture.height
    return inside and face.height >= _SMALLEST and abs(face.yaw) <= _TURNED


def _candidate(picture: Picture, face: Face) -> _Candidate:
    x, y, width, height = face.box
    beside, below = (margin * face.height for margin in _MARGIN)
    low, high = (x - beside, y - beside), (x + width + beside, y + height + below)
    area = around(low, high, 2, picture.width, picture.height)
    landmarks = face.landmarks - np.array([area.x0, area.y0, 0], np.float32)
    luma, chroma = picture.luma[area.luma].copy(), picture.chroma[area.chroma].copy()
    reference = Reference(picture.place, luma, chroma, landmarks)
    detail, red = _detail(luma, landmarks, face.height), _redness(chroma, landmarks)
    return _Candidate(reference, _traits(face), face.mouth_openness, detail, red)


def _traits(face: Face) -> F64:
    points = face.landmarks[:, :2].astype(np.float64)
    down = points[topology.CHIN] - points[topology.FOREHEAD]
    outer, inner = topology.UPPER_LIP[0], topology.UPPER_LIP[-1]
    corners = (points[outer[0]] + points[outer[-1]]) / 2 - points[inner[5]]
    height = float(corners @ down / (down @ down))
    return np.array([face.mouth_width, height, face.yaw, face.pitch])


def _detail(luma: U8, landmarks: F32, height: float) -> float:
    """How sharp the mouth is, against other frames of the same face."""
    middle = landmarks[list(topology.UPPER_LIP[0]), :2].mean(axis=0)
    low, high = middle - 0.2 * height, middle + 0.2 * height
    area = around(low, high, 2, luma.shape[1], luma.shape[0])
    plane = np.ascontiguousarray(luma[area.luma])
    return float(np.asarray(cv2.Laplacian(plane, cv2.CV_32F)).std())


def _redness(chroma: U8, landmarks: F32) -> float:
    outline = landmarks[[*topology.UPPER_LIP[0], *topology.LOWER_LIP[0][-2:0:-1]], :2] / 2
    lips = np.zeros(chroma.shape[:2], np.uint8)
    cv2.fillPoly(lips, [np.rint(outline).astype(np.int32)], 1)
    reach = max(1, round(0.4 * float(np.ptp(outline[:, 0]))))
    around_lips = cv2.dilate(lips, np.ones((reach, reach), np.uint8)) - lips
    red = chroma[..., 1].astype(np.float64)
    return max(0.0, float(red[lips > 0].mean() - red[around_lips > 0].mean()))
