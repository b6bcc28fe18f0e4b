"""Looks at every frame of a driving video, and keeps a few numbers of each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.between import between_lips_of
from lipsync_kit.engines.preview.encoding import one_thread
from lipsync_kit.face import Eye, Face, FaceTracker, find_eyes, topology
from lipsync_kit.media.probe import opened
from lipsync_kit.progress import Task

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

# What hardly moves but with the skull: forehead, temples, the bridge of the nose, the corners
# of the eyes, before the ears.
RIGID: Final = (
    10, 151, 9, 8, 168, 6, 197, 195, 5, 33, 133, 362, 263, 127, 356, 234, 454, 21, 251, 54, 284,
    103, 332, 67, 297, 109, 338, 93, 323,
)  # fmt: skip
_BROWS: Final = tuple(i for brow in topology.BROWS for row in brow for i in row)
_OTHERS: Final = (topology.CHIN, 13, 14, 61, 291, 132, 361, 70, 300, 50, 280)
KEPT: Final = tuple(dict.fromkeys((*RIGID, *_OTHERS, *_BROWS)))
"""Landmarks of each frame that are kept."""

_LONG_SIDE: Final = 1280  # pixels at which a video is looked at
_WAITING: Final = 4  # frames between finding the face and looking at it closer
_PATIENCE: Final = 2  # seconds without a face after which only two frames a second are searched


@dataclass(frozen=True, eq=False)
class Sight:
    """What was seen, one row per film frame; where there is no face all is 0.

    ``points`` (n, landmarks, 3): the `KEPT` ones, in pixels. ``eyes`` (n, 2, 3): openness, and
    gaze to the right and down, of the picture's left and right eye. ``score`` (n,): belief that
    it is a face. ``share`` (n,): the face's height over the picture's. ``inside`` (n,): of what
    landmarks see between the lips, how much is not lips.
    """

    points: F32
    eyes: F32
    score: F32
    share: F32
    inside: F32


@dataclass(frozen=True, eq=False)
class _Look:
    """A closer look at a face."""

    face: Face
    eyes: tuple[Eye, Eye]
    share: float
    inside: float


def _look(rgb: U8, face: Face) -> _Look:
    inside = between_lips_of(rgb, face.landmarks).inside
    return _Look(face, find_eyes(rgb, face), face.height / rgb.shape[0], inside)


class _Notes:
    """Grows by some 700 bytes a frame."""

    def __init__(self) -> None:
        self._points: list[F32] = []
        self._eyes: list[F32] = []
        self._score: list[float] = []
        self._share: list[float] = []
        self._inside: list[float] = []

    def add(self, look: _Look | None) -> None:
        if look is None:
            self._points.append(np.zeros((len(KEPT), 3), np.float32))
            self._eyes.append(np.zeros((2, 3), np.float32))
            self._score.append(0.0)
            self._share.append(0.0)
            self._inside.append(0.0)
            return
        face, eyes = look.face, look.eyes
        self._points.append(face.landmarks[list(KEPT)])
        self._eyes.append(np.array([(eye.openness, *eye.gaze) for eye in eyes], np.float32))
        self._score.append(face.score)
        self._share.append(look.share)
        self._inside.append(look.inside)

    def all(self) -> Sight:
        points = np.array(self._points, np.float32).reshape(-1, len(KEPT), 3)
        eyes = np.array(self._eyes, np.float32).reshape(-1, 2, 3)
        rest = (np.array(v, np.float32) for v in (self._score, self._share, self._inside))
        return Sight(points, eyes, *rest)


def watch_driver(video: Path, fps: Fraction, task: Task) -> Sight:
    """Follow the largest face of a video, film frame by film frame.

    The face is looked for in one thread and looked at in another. Raises
    :class:`~lipsync_kit.errors.InputError` when the video can't be read.
    """
    follow = _Follower(fps)
    notes = _Notes()
    waiting: deque[Future[_Look] | None] = deque()

    def settle() -> None:
        look = waiting.popleft()
        notes.add(look.result() if look else None)
        task.advance()

    with one_thread(), ThreadPoolExecutor(1) as beside:
        for rgb in film_frames(video, fps):
            face = follow(rgb)
            waiting.append(beside.submit(_look, rgb, face) if face else None)
            if len(waiting) > _WAITING:
                settle()
        while waiting:
            settle()
    return notes.all()


class _Follower:
    """A tracker that gives up searching every frame of a video that shows nobody."""

    def __init__(self, fps: Fraction) -> None:
        self._tracker = FaceTracker()
        self._patience, self._rest = math.ceil(_PATIENCE * fps), math.ceil(fps / 2)
        self._missing = 0

    def __call__(self, rgb: U8) -> Face | None:
        if self._missing > self._patience and self._missing % self._rest:
            self._missing += 1
            return None
        face = self._tracker(rgb)
        self._missing = 0 if face else self._missing + 1
        return face


def film_frames(video: Path, fps: Fraction) -> Iterator[U8]:
    """What the film shows at each of its frames, (h, w, 3): the video's frame of that time.

    A video at the film's own rate gives each frame once; another is held or thinned out.
    """
    place, held = 0, None
    for at, frame in _numbered(video, fps):
        while held is not None and place < at:
            yield held
            place += 1
        held = _looked_at(frame)
    if held is not None:
        yield held


def _numbered(video: Path, fps: Fraction) -> Iterator[tuple[int, VideoFrame]]:
    with opened(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first: Fraction | None = None
        for frame in container.decode(stream):
            time = Fraction(frame.pts or 0) * Fraction(frame.time_base or 0)
            first = time if first is None else first
            yield math.floor((time - first) * fps + Fraction(1, 2)), frame


def _looked_at(frame: VideoFrame) -> U8:
    zoom = min(1.0, _LONG_SIDE / max(frame.width, frame.height))
    width, height = (max(2, 2 * round(side * zoom / 2)) for side in (frame.width, frame.height))
    return np.ascontiguousarray(
        frame.to_ndarray(format="rgb24", width=width, height=height), np.uint8
    )
