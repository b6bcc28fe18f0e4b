"""Watches a video once: what moves, where scenes begin, who is seen, how light it is.

Every frame is looked at small; a few are looked at closely. Memory grows by a few numbers a
frame.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.store import write_text

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from lipsync_kit.face import Face

Plane = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

LONG_SIDE = 640
"""Pixels of the long side that are enough to watch a video."""

_SMALL, _TINY = 320, 32
_BLOCK = 8
_WILDEST = 0.1  # of the blocks: a mouth that moves counts, however still the rest is
_EDGE = 48.0  # Sobel magnitude per pixel above which something is seen there


@dataclass(frozen=True)
class Sample:
    """A frame that was looked at closely; ``frame``: its place in the video.

    ``faces``: height of each face over the picture's, largest first. ``light``: mean luma, 0
    (black) to 1, of the largest face, or of the whole picture where there is none.
    ``clutter``: share of the background, around the person, that has edges; ``None`` where
    nobody or nothing else is seen.
    """

    frame: int
    faces: tuple[float, ...]
    light: float
    clutter: float | None


@dataclass(frozen=True, eq=False)
class Watched:
    """What was seen. Arrays have one row per film frame, compared with the frame before.

    ``movement``: mean luma difference (0 to 255) of the tenth of the picture that changes
    most. ``change``: mean difference of the whole picture, blurred, luma and chroma.
    ``shift``: how far the camera moved, in hundredths of the long side, across and down; NaN
    where that can't be told. ``missing``: frames that can't be decoded.
    """

    movement: F32
    change: F32
    shift: F32
    samples: tuple[Sample, ...]
    missing: int = 0

    def save(self, path: Path) -> None:
        """Keep it as ``.npz``."""
        np.savez(
            path,
            movement=self.movement,
            change=self.change,
            shift=self.shift,
            samples=_to_text(self.samples),
            missing=self.missing,
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """What :meth:`save` wrote."""
        with np.load(path) as data:
            arrays = data["movement"], data["change"], data["shift"]
            return cls(*arrays, _from_text(str(data["samples"])), int(data["missing"]))


def _to_text(samples: Iterable[Sample]) -> str:
    return json.dumps([asdict(sample) for sample in samples])


def _from_text(text: str) -> tuple[Sample, ...]:
    return tuple(Sample(**{**row, "faces": tuple(row["faces"])}) for row in json.loads(text))


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Keep samples as JSON."""
    write_text(path, _to_text(samples))


def read_samples(path: Path) -> tuple[Sample, ...]:
    """What :func:`write_samples` wrote."""
    return _from_text(path.read_text(encoding="utf-8"))


def sample_places(frames: int, fps: Fraction) -> list[int]:
    """The frames that are looked at closely: 4 to 10, spread evenly."""
    count = min(frames, max(4, min(10, int(frames / fps))))
    return sorted({(2 * index + 1) * frames // (2 * count) for index in range(count)})


class Watcher:
    """Sees frames one by one: upright 4:2:0 of any size, all of the same.

    ``close``: places of those that are looked at closely. The same object given again is a
    frame that is held.
    """

    def __init__(self, close: Iterable[int]) -> None:
        self.frames = 0
        self._close = set(close)
        self._samples: list[Sample] = []
        self._eye = _Eye()
        self._last: VideoFrame | None = None

    def see(self, frame: VideoFrame) -> None:
        """Take in the next frame."""
        if frame is self._last:
            self._eye.rest()
        else:
            self._eye.see(_planes(frame))
        if self.frames in self._close:
            self._samples.append(look_closely(self.frames, frame))
        self._last = frame
        self.frames += 1

    def done(self, missing: int = 0) -> Watched:
        """What was seen. ``missing``: frames that could not be decoded."""
        eye = self._eye
        return Watched(
            np.array(eye.movement, np.float32),
            np.array(eye.change, np.float32),
            np.array(eye.shift, np.float32).reshape(-1, 2),
            tuple(self._samples),
            missing,
        )


def look_closely(place: int, frame: VideoFrame) -> Sample:
    """Faces, light and background of one frame."""
    from lipsync_kit.face import find_faces

    frame = _at_most(frame, LONG_SIDE)
    rgb = np.ascontiguousarray(frame.to_ndarray(format="rgb24"), np.uint8)
    luma = _planes(frame)[0]
    faces = find_faces(rgb)
    height = luma.shape[0]
    return Sample(
        frame=place,
        faces=tuple(round(face.height / height, 4) for face in faces),
        light=round(_light(luma, faces[0] if faces else None), 4),
        clutter=_clutter(luma, faces[0]) if faces else None,
    )


def _at_most(frame: VideoFrame, long_side: int) -> VideoFrame:
    zoom = min(1.0, long_side / max(frame.width, frame.height))
    if zoom == 1:
        return frame
    width, height = (int(side * zoom) // 2 * 2 for side in (frame.width, frame.height))
    return frame.reformat(width, height)


def _planes(frame: VideoFrame) -> tuple[Plane, Plane, Plane]:
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    luma, blue, red = planes
    return luma, blue, red


def _light(luma: Plane, face: Face | None) -> float:
    part = luma if face is None else luma[_inside(face.box, luma.shape)]
    return (float((part if part.size else luma).mean()) - 16) / 219


def _inside(box: tuple[float, float, float, float], shape: tuple[int, ...]) -> tuple[slice, slice]:
    x, y, width, height = box
    rows = slice(max(0, int(y)), min(shape[0], max(0, int(y + height))))
    return rows, slice(max(0, int(x)), min(shape[1], max(0, int(x + width))))


def _clutter(luma: Plane, face: Face) -> float | None:
    """Edges beside the person, who fills a face's height to either side and all below."""
    x, y, width, height = face.box
    centre = x + width / 2
    person = _inside(
        (centre - 1.5 * height, y - 0.6 * height, 3 * height, luma.shape[0]), luma.shape
    )
    background = np.ones(luma.shape, np.bool_)
    background[person] = False
    if background.mean() < 0.08:
        return None
    smooth = cv2.GaussianBlur(luma, (0, 0), 1.0)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    edges = np.asarray(cv2.magnitude(across, down)) > _EDGE
    return round(float(edges[background].mean()), 4)


class _Eye:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self.movement, self.change, self.shift = array("f"), array("f"), array("f")
        self._small: F32 | None = None
        self._tiny: F32 | None = None

    def see(self, planes: tuple[Plane, Plane, Plane]) -> None:
        """Take in the next frame."""
        luma = _shrunk(planes[0], _SMALL)
        parts = [_shrunk(plane, _TINY).ravel() for plane in (luma, *planes[1:])]
        small, tiny = luma.astype(np.float32), np.concatenate(parts).astype(np.float32)
        if self._small is None or self._tiny is None:
            self.rest()
        else:
            self.movement.append(_wildest(small, self._small))
            self.change.append(float(np.abs(tiny - self._tiny).mean()))
            self.shift.extend(_camera_shift(self._small, small))
        self._small, self._tiny = small, tiny

    def rest(self) -> None:
        """The same frame once more."""
        self.movement.append(0.0)
        self.change.append(0.0)
        self.shift.extend((np.nan, np.nan))


def _shrunk(plane: Plane, long_side: int) -> Plane:
    zoom = min(1.0, long_side / max(plane.shape))
    size = (max(1, round(plane.shape[1] * zoom)), max(1, round(plane.shape[0] * zoom)))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def _wildest(small: F32, before: F32) -> float:
    difference = np.asarray(cv2.absdiff(small, before))
    size = (max(1, small.shape[1] // _BLOCK), max(1, small.shape[0] // _BLOCK))
    blocks = np.asarray(cv2.resize(difference, size, interpolation=cv2.INTER_AREA)).ravel()
    count = max(1, int(_WILDEST * blocks.size))
    return float(np.partition(blocks, -count)[-count:].mean())


def _camera_shift(before: F32, small: F32) -> tuple[float, float]:
    """The shift on which both upper corners agree: people move, the camera moves all.

    Phase correlation (Kuglin and Hines 1975) of a square in each corner.
    """
    side = min(64, small.shape[0] // 2, small.shape[1] // 3)
    shifts = []
    for columns in (slice(0, side), slice(-side, None)):
        old = np.ascontiguousarray(before[:side, columns])
        new = np.ascontiguousarray(small[:side, columns])
        if side < 16 or float(new.std()) < 4:
            return np.nan, np.nan
        window = cv2.createHanningWindow((side, side), cv2.CV_32F)
        shift, response = cv2.phaseCorrelate(old, new, window)
        if response < 0.2:
            return np.nan, np.nan
        shifts.append(shift)
    (left_x, left_y), (right_x, right_y) = shifts
    if abs(left_x - right_x) > 0.5 or abs(left_y - right_y) > 0.5:
        return np.nan, np.nan
    unit = 100 / max(small.shape) / 2
    return (left_x + right_x) * unit, (left_y + right_y) * unit
