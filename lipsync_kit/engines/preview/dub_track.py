"""The speaker's face in every frame of a clip, steady and without lag.

Frames stream through two windows that look both ways: the first steadies where the head is,
the second what the face does, and how far it may be changed. A window never looks past a cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_face import DubFace, Sight
from lipsync_kit.engines.preview.dub_look import look
from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_rest import MOVING
from lipsync_kit.engines.preview.dub_speaker import Shot, Speaker
from lipsync_kit.engines.preview.dub_view import STEADY
from lipsync_kit.face import Face

F64 = npt.NDArray[np.float64]
T = TypeVar("T")
FaceOf = Callable[[Shot], DubFace]

_HEAD_REACH: Final = 3  # frames to either side that steady the head
_FACE_REACH: Final = 4  # and the expression
_SAME: Final = 0.006  # face heights that landmarks may be apart in two frames by noise alone
_GLANCE: Final = 1  # frames to either side between which one odd frame is no obstacle
_BEFORE: Final = 3  # frames before an obstacle at which the frame is the original again
_FADE: Final = 2  # frames to either side over which trust is averaged
_TRUST_REACH: Final = _GLANCE + _BEFORE + _FADE

REACH: Final = _HEAD_REACH + max(_FACE_REACH, _TRUST_REACH)
"""Frames to either side that a frame of a clip depends on."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame, and the face in it as the network saw it; `None` where there is none."""

    picture: Picture
    shot: Shot
    face: Face | None


@dataclass(frozen=True, eq=False)
class Met:
    """The same with the head steadied; `trust` is of this frame alone."""

    picture: Picture
    shot: Shot
    sight: Sight | None


def sights(
    frames: Iterable[Picture], speaker: Speaker, face_of: FaceOf
) -> Iterator[tuple[Picture, Shot, Sight | None]]:
    """Each frame with its shot and how it shows the speaker.

    `face_of`: the face of a shot that has a reference. The first and the last
    :data:`REACH` frames are less steady than the others.
    """
    met = (_met(window, at, face_of) for window, at in windows(_seen(frames, speaker), _HEAD_REACH))
    for window, at in windows(met, max(_FACE_REACH, _TRUST_REACH)):
        yield window[at].picture, window[at].shot, _steady(window, at, face_of)


def windows(items: Iterable[T], reach: int) -> Iterator[tuple[Sequence[T], int]]:
    """Each item's surroundings, `reach` to either side where there are so many, and its place."""
    window: deque[T] = deque()
    behind = 0  # items before the one that is next
    for item in items:
        window.append(item)
        if len(window) - behind <= reach:
            continue
        yield list(window), behind
        if behind == reach:
            window.popleft()
        else:
            behind += 1
    while behind < len(window):
        yield list(window), behind
        if behind == reach:
            window.popleft()
        else:
            behind += 1


def _seen(frames: Iterable[Picture], speaker: Speaker) -> Iterator[Seen]:
    for picture in frames:
        shot = speaker.shot(picture.place)
        roi = shot.roi(picture.place, 2 * speaker.stride)
        yield Seen(picture, shot, look(picture, roi) if roi else None)


def _met(window: Sequence[Seen], at: int, face_of: FaceOf) -> Met:
    here = window[at]
    if here.face is None:
        return Met(here.picture, here.shot, None)
    face = face_of(here.shot)
    relief = face.rest.relief
    near = [
        (seen.picture.place - here.picture.place, seen.face.landmarks[list(STEADY), :2])
        for seen in window
        if seen.face is not None and seen.shot is here.shot
    ]
    steady = np.tensordot(_quadratic(tuple(apart for apart, _ in near)), [s for _, s in near], 1)
    view = relief.view(steady)
    expressed = relief.expression(view, here.face.landmarks, MOVING)
    trust = face.looks.trust(here.picture, view, face.rest.expression(expressed), here.face)
    return Met(here.picture, here.shot, Sight(steady, expressed, trust))


@lru_cache(maxsize=256)
def _quadratic(times: tuple[int, ...]) -> F64:
    """Weights that read a parabola through values at `times` at time 0 (Savitzky and Golay 1964).

    Keeps peaks and adds no lag; near the ends of a shot a line or the mean.
    """
    order = min(2, (len(times) - 1) // 2)
    powers = np.vander(np.array(times, np.float64), order + 1, increasing=True)
    return np.asarray(np.linalg.pinv(powers)[0])


def _steady(window: Sequence[Met], at: int, face_of: FaceOf) -> Sight | None:
    here = window[at]
    if here.sight is None:
        return None
    trust = trusted([_trust(met, here.shot) for met in window], at)
    size = face_of(here.shot).rig.head.size
    near = [
        met.sight.expressed
        for met in window[max(0, at - _FACE_REACH) : at + _FACE_REACH + 1]
        if met.sight is not None and met.shot is here.shot
    ]
    apart = np.sqrt(np.mean((np.stack(near) - here.sight.expressed) ** 2, axis=(1, 2))) / size
    # Bilateral: a face at rest is averaged, one that moves is left alone.
    alike = np.exp(-0.5 * (apart / _SAME) ** 2)
    expressed = np.tensordot(alike / alike.sum(), np.stack(near), 1)
    return Sight(here.sight.steady, np.asarray(expressed), trust)


def _trust(met: Met, shot: Shot) -> float:
    """Of another shot NaN: a cut is no obstacle."""
    if met.shot is not shot:
        return float("nan")
    return met.sight.trust if met.sight else 0.0


def trusted(trust: Sequence[float], at: int) -> float:
    """Trust that is gone before an obstacle comes, and comes back slowly.

    `trust`: of the frames around, of each alone; NaN in another shot.
    """
    values = np.array(trust)
    own = np.flatnonzero(~np.isnan(values))
    values, at = values[own[0] : own[-1] + 1], at - int(own[0])
    # Half of a mouth shining through another looks worse than either of them.
    values = np.round(_rolled(values, _GLANCE, np.median))
    values = _rolled(values, _BEFORE, np.min)
    return float(_rolled(values, _FADE, np.mean)[at])


def _rolled(values: F64, reach: int, of: Callable[..., Any]) -> F64:
    """`of` (a NumPy reduction) of each value and those within `reach`; the ends go on."""
    padded = np.pad(values, reach, mode="edge")
    return np.asarray(of(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1))
