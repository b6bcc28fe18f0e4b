"""Source videos to dub: the shipped portrait and a drawing, made to talk, with obstacles."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.encoding import encode
from lipsync_kit.engines.preview.motion import Motion
from lipsync_kit.engines.preview.plate import plate_of
from lipsync_kit.engines.preview.speech import MouthTrack
from lipsync_kit.engines.preview.talk import Talker
from lipsync_kit.face import Face, FaceTracker, find_faces
from tests.engines.preview import portraits

U8 = npt.NDArray[np.uint8]
F64 = npt.NDArray[np.float64]
Planes = tuple[U8, U8]

FPS = Fraction(25)
SIDE = 448


def track(opening: npt.ArrayLike) -> MouthTrack:
    """A mouth that does just this; the head moves alike, whatever it is."""
    wide = np.asarray(opening, np.float32)
    return MouthTrack(wide, 0 * wide, (wide < 0.02).astype(np.float32), 0 * wide + 0.5)


def chatter(frames: int, hertz: float = 3.1, phase: float = 0.0) -> F64:
    """Openings of someone who chatters, 0 to 0.9."""
    t = np.arange(frames) / float(FPS)
    return 0.9 * (0.5 - 0.5 * np.cos(2 * np.pi * hertz * t + phase))


@cache
def person(drawn: bool = False) -> Talker:
    """The shipped portrait, or the drawn one, ready to talk."""
    picture = portraits.drawing() if drawn else portraits.shipped()
    face = find_faces(picture)[0]
    (x, y), reach = face.landmarks[4, :2], 1.15 * face.height
    rows, columns = (slice(max(0, int(v - reach)), int(v + reach)) for v in (y, x))
    near = cv2.resize(picture[rows, columns], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    plate = plate_of(np.asarray(near, np.uint8))
    return Talker.of(plate, find_faces(plate.rgb)[0])


def talking(opening: npt.ArrayLike, drawn: bool = False, seed: int = 5) -> list[Planes]:
    """Frames of a person who talks and moves the head."""
    talker = person(drawn)
    own = track(opening)
    frames = []
    for pose in Motion(own, FPS, seed).poses(0, len(own)):
        luma, chroma = talker.plate.luma.copy(), talker.plate.chroma.copy()
        talker.draw(pose, luma, chroma)
        frames.append((luma, chroma))
    return frames


def empty(frames: int) -> list[Planes]:
    """Frames of a room without anybody."""
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.normal(120, 300, (SIDE, SIDE)), (0, 0), 12)
    luma = np.clip(wall, 16, 235).astype(np.uint8)
    return [(luma, np.full((SIDE // 2, SIDE // 2, 2), 128, np.uint8))] * frames


def beside(left: Iterable[Planes], right: Iterable[Planes], smaller: float) -> list[Planes]:
    """Two videos side by side, the right one's picture made smaller."""
    frames = []
    for one, other in zip(left, right, strict=True):
        planes = []
        for a, b in zip(one, other, strict=True):
            side = int(len(b) * smaller)
            small = np.asarray(cv2.resize(b, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
            rim = len(b) - side
            edges = [(rim // 2, rim - rim // 2)] * 2 + [(0, 0)] * (b.ndim - 2)
            planes.append(np.hstack([a, np.pad(small, edges, mode="edge")]))
        frames.append((planes[0], planes[1]))
    return frames


def hand(planes: Planes, face: Face) -> Planes:
    """The frame with four fingers before the mouth, of the skin of the forehead."""
    luma, chroma = planes[0].copy(), planes[1].copy()
    (x, y), size = face.landmarks[[13, 14], :2].mean(axis=0), face.height
    for plane, scale in ((luma, 1), (chroma, 2)):
        column, row = (face.landmarks[151, :2] / scale).astype(int)
        skin = [float(value) for value in np.atleast_1d(plane[row, column])]
        for number in range(4):
            across = int((x + (number - 1.5) * 0.13 * size) / scale)
            top, bottom = (int((y + at * size) / scale) for at in (-0.2, 0.6))
            width = max(1, int(0.115 * size / scale))
            cv2.line(plane, (across, top), (across, bottom), skin, width, cv2.LINE_AA)
    return luma, chroma


def write(path: Path, frames: Iterable[Planes]) -> Path:
    """A prepared video."""
    drawings, size = [], None
    for luma, chroma in frames:
        drawings.append(partial(_copy, luma, chroma))
        size = luma.shape[1], luma.shape[0]
    assert size is not None
    encode(path, size, FPS, drawings)
    return path


def _copy(source: U8, tint: U8, luma: U8, chroma: U8) -> None:
    luma[:], chroma[:] = source, tint


@cache
def lumas(path: Path) -> list[U8]:
    """Luma of every frame of a file."""
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray()[: frame.height], np.uint8)
            for frame in container.decode(video=0)
        ]


@cache
def faces(path: Path) -> list[Face]:
    """The face in every frame of a file, all of which show one."""
    tracker, found = FaceTracker(), []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            face = tracker(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            assert face is not None
            found.append(face)
    return found


def openness(path: Path) -> F64:
    """How far the mouth is open in every frame, read back, in face heights."""
    return np.array([face.mouth_openness for face in faces(path)])
