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
_PARTED: Final = (0.045, 0.11)  # face heights between the lips of a mouth that speaks
_SPEAKING: Final = 0.085  # the best of these
_TEETH: Final = 6.0  # what a parted mouth counts that shows no teeth


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A frame that comes into question.

    `detail`: how sharp the mouth is. `red`: by how much the lips are redder than the skin
    around them. `teeth`: the lightest that shows between them, over the skin's luma.
    """

    reference: Reference
    traits: F64
    gap: float
    detail: float
    red: float
    teeth: float


class _Spread:
    """Keeps some of many candidates, spread evenly over all that came."""

    def __init__(self) -> None:
        self.kept: list[_Candidate] = []
        self._count = 0
        self._every = 1

    def offer(self, picture: Picture, face: Face) -> None:
        if self._count % self._every == 0:
            self.kept.append(_candidate(picture, face))
        self._count += 1
        if len(self.kept) > _KEPT:
            self.kept, self._every = self.kept[::2], 2 * self._every


class References:
    """Keeps the best frames of a shot, a few at a time."""

    def __init__(self) -> None:
        self._closed, self._parted = _Spread(), _Spread()
        self._least_open: list[_Candidate] = []
        self._traits: list[F64] = []

    def consider(self, picture: Picture, face: Face) -> None:
        """Take in a frame and the speaker's face in it."""
        if not _whole(picture, face):
            return
        self._traits.append(_traits(face))
        gap = face.mouth_openness
        if gap <= _CLOSED:
            self._closed.offer(picture, face)
            return
        if _PARTED[0] <= gap <= _PARTED[1]:
            self._parted.offer(picture, face)
        if len(self._least_open) < _LEAST_OPEN or gap < self._least_open[-1].gap:
            self._least_open.append(_candidate(picture, face))
            self._least_open.sort(key=lambda candidate: candidate.gap)
            del self._least_open[_LEAST_OPEN:]

    def best(self) -> tuple[Reference | None, Reference | None]:
        """The mouth at rest, and the same mouth parted where the first is closed.

        Of those that come into question the ones that are least odd.
        """
        rest = _least_odd(self._closed.kept or self._least_open, self._usual(), 0.0, 0.0)
        if rest is None or rest.gap > _CLOSED:
            return (rest.reference if rest else None), None
        like = self._usual()
        like[0] = rest.traits[0]
        parted = _least_odd(self._parted.kept, like, _SPEAKING, _TEETH)
        return rest.reference, (parted.reference if parted else None)

    def _usual(self) -> F64:
        return np.asarray(np.median(self._traits or [np.zeros(len(_SCALES))], axis=0))


def _least_odd(
    candidates: list[_Candidate], usual: F64, gap: float, teeth: float
) -> _Candidate | None:
    if not candidates:
        return None
    sharpest = max(*(candidate.detail for candidate in candidates), 1e-6)
    reddest = max(*(candidate.red for candidate in candidates), 1e-6)

    def oddness(candidate: _Candidate) -> float:
        odd = float((((candidate.traits - usual) / _SCALES) ** 2).sum())
        odd += _BLURRED * (1 - candidate.detail / sharpest)
        odd += _ROLLED_IN * (1 - candidate.red / reddest)
        odd += teeth * (1 - min(1.0, candidate.teeth))
        return odd + ((candidate.gap - gap) / _OPEN) ** 2

    return min(candidates, key=oddness)


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
    return _Candidate(
        reference,
        _traits(face),
        face.mouth_openness,
        _detail(luma, landmarks, face.height),
        _redness(chroma, landmarks),
        _teeth(luma, landmarks),
    )


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


def _teeth(luma: U8, landmarks: F32) -> float:
    between = landmarks[[*topology.UPPER_LIP[-1][2:-2], *topology.LOWER_LIP[-1][-3:1:-1]], :2]
    mask = np.zeros(luma.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(between).astype(np.int32)], 1)
    skin = [luma[round(float(y)), round(float(x))] for x, y in landmarks[[50, 280, 205, 425], :2]]
    inside = luma[mask > 0]
    return float(np.percentile(inside, 90) / max(np.median(skin), 1)) if inside.size else 0.0
