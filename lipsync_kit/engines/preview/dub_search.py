"""Finds the speaker of a video: one pass over its frames, a look at every fifth of a second.

Cuts divide it into shots; in each the speaker is chosen anew, followed from look to look, and
the look that shows the mouth best becomes the shot's reference.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_grain import GrainMeter
from lipsync_kit.engines.preview.dub_look import look
from lipsync_kit.engines.preview.dub_pictures import Picture, pictures
from lipsync_kit.engines.preview.dub_reference import References
from lipsync_kit.engines.preview.dub_speaker import Shot, Speaker
from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.face import Face, find_faces
from lipsync_kit.face.mesh import roi_around
from lipsync_kit.media.probe import probe
from lipsync_kit.plan.driving import find_scenes
from lipsync_kit.progress import Progress

F32 = npt.NDArray[np.float32]

_LOOKS_PER_SECOND: Final = 5
_NEIGHBOURS: Final = Fraction(1, 2)  # seconds of change around a frame that tell a cut
_PATIENCE: Final = 5  # looks between two searches of a shot where nobody is
_FORGET: Final = 10  # looks after which a face that was lost may come back anywhere
_TINY: Final = 32  # pixels of the long side at which frames are compared


def find_speaker(video: Path, fps: Fraction, face: int | None, progress: Progress) -> Speaker:
    """The speaker of a prepared video.

    `face`: in every shot the largest face (0 or `None`), the second largest (1), … Streams the
    video, at about 5 ms of CPU a frame. Raises :class:`~lipsync_kit.errors.InputError` when it
    can't be read.
    """
    picture = probe(video).picture
    frames = picture.frames if picture else 0
    search = _Search(fps, face or 0)
    with progress.task("looking for the speaker", frames, "frames") as task:
        for shown in pictures(video, fps, 0, frames, threads=0):
            search.see(shown)
            task.advance()
    return search.done(frames)


class _Search:
    """Takes in frames one by one; a look at a frame waits until it is known whether it is cut."""

    def __init__(self, fps: Fraction, rank: int) -> None:
        self._fps = fps
        self.stride = max(1, math.floor(fps / _LOOKS_PER_SECOND))
        self._around = math.ceil(fps * _NEIGHBOURS)
        self._watch = _Watch()
        self._waiting: deque[tuple[Picture, Picture]] = deque()
        self._before: Picture | None = None
        self._grain = GrainMeter()
        self._shots: list[Shot] = []
        self._shot = _ShotSearch(0, rank)
        self._rank = rank
        self._faces = 0
        self._looked = 0

    def see(self, picture: Picture) -> None:
        """Take in the next frame."""
        self._watch.see(picture)
        if self._before is not None and self._before.place % self.stride == 0:
            self._waiting.append((self._before, picture))
        self._before = picture
        while self._waiting and self._waiting[0][1].place + self._around <= picture.place:
            self._look(*self._waiting.popleft())

    def done(self, frames: int) -> Speaker:
        """What was found, when all frames have come."""
        for picture, following in self._waiting:
            self._look(picture, following)
        for cut in self._cuts(self._looked + 1, frames - 1):
            self._end(cut)
        self._end(frames)
        return Speaker(tuple(self._shots), self._faces, self.stride, self._grain.grain())

    def _look(self, picture: Picture, following: Picture) -> None:
        for cut in self._cuts(self._looked + 1, picture.place):
            self._end(cut)
        self._looked = picture.place
        face = self._shot.look(picture)
        if face is not None:
            self._grain.offer(picture, following, face)

    def _cuts(self, first: int, last: int) -> list[int]:
        """Frames of [first, last] that begin a new shot."""
        start = max(0, first - self._around)
        change = np.array(self._watch.change[start : last + self._around + 1], np.float32)
        return [
            start + cut for cut in find_scenes(change, self._fps) if first <= start + cut <= last
        ]

    def _end(self, end: int) -> None:
        self._shots.append(self._shot.shot(end))
        self._faces = max(self._faces, self._shot.faces)
        self._shot = _ShotSearch(end, self._rank)


class _Watch:
    """How much each frame differs from the one before, blurred, luma and chroma; 0 to 255."""

    def __init__(self) -> None:
        self.change: list[float] = []
        self._before: F32 | None = None

    def see(self, picture: Picture) -> None:
        """Take in the next frame."""
        zoom = _TINY / max(picture.width, picture.height)
        size = max(1, round(picture.width * zoom)), max(1, round(picture.height * zoom))
        luma = cv2.resize(picture.luma, size, interpolation=cv2.INTER_AREA)
        chroma = cv2.resize(picture.chroma, size, interpolation=cv2.INTER_AREA)
        tiny = np.dstack([luma, chroma]).astype(np.float32)
        before = tiny if self._before is None else self._before
        self.change.append(float(np.abs(tiny - before).mean()))
        self._before = tiny


class _ShotSearch:
    """Follows the speaker through one shot."""

    def __init__(self, first: int, rank: int) -> None:
        self._first, self._rank = first, rank
        self._last: Face | None = None
        self._lost: Face | None = None
        self._absent = 0
        self._seen: list[tuple[float, ...]] = []
        self._references = References()
        self.faces = 0

    def look(self, picture: Picture) -> Face | None:
        """Take in a frame of the shot; the speaker's face in it."""
        face = look(picture, roi_around(self._last.landmarks)) if self._last else None
        if face is None:
            self._lost = self._last or self._lost
            face = self._search(picture)
        self._last = face
        self._absent = 0 if face else self._absent + 1
        if face is not None:
            self.faces = max(self.faces, 1)
            self._seen.append((float(picture.place), *roi_around(face.landmarks)))
            self._references.consider(picture, face)
        return face

    def shot(self, end: int) -> Shot:
        """The shot as it was seen."""
        seen = np.array(self._seen, np.float32).reshape(-1, 5)
        return Shot(self._first, end, seen, *self._references.best())

    def _search(self, picture: Picture) -> Face | None:
        if self._absent % _PATIENCE > 0:
            return None
        faces = find_faces(picture.rgb(Area(0, 0, picture.width, picture.height)))
        self.faces = max(self.faces, len(faces))
        if self._lost is not None and self._absent < _FORGET:
            return next(_near(faces, self._lost), None)
        return faces[self._rank] if self._rank < len(faces) else None


def _near(faces: list[Face], lost: Face) -> Iterator[Face]:
    """Faces that may be one that was lost, the nearest first."""
    middle = lost.landmarks[:, :2].mean(axis=0)

    def apart(face: Face) -> float:
        return float(np.linalg.norm(face.landmarks[:, :2].mean(axis=0) - middle))

    yield from sorted((f for f in faces if apart(f) < lost.height), key=apart)
