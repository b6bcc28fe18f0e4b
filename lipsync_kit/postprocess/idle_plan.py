"""What is shown while nobody speaks: frames of a pause played slowly to and fro, with a breath.

Pure: frames of stretches in, a programme of exactly so many frames out. A stretch is wandered
through in drifts, each from rest to rest along half a cosine, so that nothing jerks where it
turns. A breath rises and falls with every two drifts and is fastest where they turn; the head
sways a little in between, so that something always moves. From one stretch to the next leads
a crossing, a slow morph. Loops begin and end in the same place with the same motion; they are
made once and shown again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

HALF_SECONDS = Fraction(19, 10)
"""A drift lasts this long or longer: half of a calm breath."""

MOST_SPEED = 0.6
"""Frames of the clip that a drift passes in one frame of the film, at its fastest."""

LEAST_SECONDS = Fraction(3, 10)
"""A stretch that is shorter is no pause to dwell in."""

MOST_SECONDS = Fraction(1)
"""More of a pause is not used: its frames are held in memory."""

_SHORTEST = Fraction(3, 10)
"""Seconds of a drift below which nothing but a crossing is shown."""

_NEARER = 0.4
"""How far every other loop stays away from the end that it returns to, as a share."""

_FEW = 5
"""Loops that may be alike; a second kind would have to be drawn for them."""


@dataclass(frozen=True)
class Shot:
    """A stretch of ``frames`` that is wandered through, and from where to where in it.

    ``dwells``: whether it is a pause to dwell in, or just a frame or two that must be left at
    once when there is a better shot.
    """

    frames: int
    enter: float
    leave: float
    dwells: bool = True

    @property
    def far(self) -> float:
        """The end that is further from where it is entered."""
        return 0.0 if self.enter * 2 >= self.frames - 1 else self.frames - 1.0


@dataclass(frozen=True)
class Moment:
    """A frame: its place in the shot's stretch, between two frames maybe.

    ``breath``: from -1 to 1; ``sway`` of the head, from 0 to 1.
    """

    place: float
    breath: float
    sway: float


@dataclass(frozen=True)
class Drift:
    """``frames`` moments on the way from one place to another, the first place left out.

    ``turn``: half breaths before; ``depth`` grows from ``rise[0]`` to ``rise[1]``.
    """

    start: float
    end: float
    frames: int
    turn: int
    rise: tuple[float, float]

    def moments(self) -> Iterator[Moment]:
        """Its frames, in order."""
        for number in range(1, self.frames + 1):
            at = number / self.frames
            place = self.start + (self.end - self.start) * (1 - math.cos(math.pi * at)) / 2
            depth = self.rise[0] + (self.rise[1] - self.rise[0]) * at
            phase = math.pi * (self.turn + at)
            yield Moment(place, depth * math.sin(phase), depth * (1 - math.cos(phase)) / 2)


@dataclass(frozen=True)
class Take:
    """Drifts of a shot that are made in one piece; equal takes are made once."""

    shot: int
    drifts: tuple[Drift, ...]

    @property
    def frames(self) -> int:
        """Frames shown."""
        return sum(drift.frames for drift in self.drifts)


@dataclass(frozen=True)
class Crossing:
    """``frames`` between the last of shot ``shot`` and the first of the next, and that first."""

    shot: int
    between: int

    @property
    def frames(self) -> int:
        """Frames shown."""
        return self.between + 1


Part = Take | Crossing


def programme(
    shots: Sequence[Shot], crossings: Sequence[int], frames: int, fps: Fraction
) -> list[Part]:
    """What is shown for ``frames`` frames.

    The first moment after ``shots[0].enter`` comes first; the last frame shown is
    ``shots[-1].leave``. ``crossings``: frames wanted between each shot and the next.
    """
    between = _fitted(crossings, frames)
    left = frames - sum(between) - len(between)
    share = _shared(shots, left)
    parts: list[Part] = []
    for number, shot in enumerate(shots):
        parts += _wandered(number, shot, share[number], fps)
        if number < len(between):
            parts.append(Crossing(number, between[number]))
    return parts


def _fitted(crossings: Sequence[int], frames: int) -> list[int]:
    """The frames of each crossing, made fewer where there are not enough."""
    if not crossings:
        return []
    most = max(0, frames // len(crossings) - 1)
    return [min(wanted, most) for wanted in crossings]


def _shared(shots: Sequence[Shot], frames: int) -> list[int]:
    """The frames of each shot: those worth dwelling in share them, or all do."""
    chosen = [number for number, shot in enumerate(shots) if shot.dwells] or range(len(shots))
    each, rest = divmod(frames, len(chosen))
    share = dict.fromkeys(range(len(shots)), 0)
    for place, number in enumerate(chosen):
        share[number] = each + (place < rest)
    return [share[number] for number in range(len(shots))]


def _wandered(number: int, shot: Shot, frames: int, fps: Fraction) -> Iterator[Take]:
    """A shot, from where it is entered to where it is left, in so many frames."""
    if not frames:
        return
    half = _half(shot, fps)
    if frames < 2 * math.ceil(_SHORTEST * fps):
        yield Take(number, (Drift(shot.enter, shot.leave, frames, 0, (0.0, 0.0)),))
        return
    loops, rest = _loops(half, frames)
    first = rest // 2
    far = shot.enter + _bounded(shot.far - shot.enter, first)
    depth = 1.0 if loops else min(1.0, first / half)
    yield Take(number, (Drift(shot.enter, far, first, 0, (0.0, depth)),))
    yield from _looped(number, shot.enter, far, half, loops)
    last = rest - first
    yield Take(number, (Drift(far, shot.leave, last, 1, (depth, 0.0)),))


def _half(shot: Shot, fps: Fraction) -> int:
    """Frames of one drift through the whole stretch."""
    calm = math.ceil(HALF_SECONDS * fps)
    return max(calm, math.ceil(math.pi / 2 * (shot.frames - 1) / MOST_SPEED))


def _bounded(distance: float, frames: int) -> float:
    """As much of a distance as a drift of so many frames passes at the most."""
    most = frames * MOST_SPEED / (math.pi / 2)
    return max(-most, min(most, distance))


def passed(frames: int, fps: Fraction) -> int:
    """Frames of a stretch that can be passed on the way in or out of so many frames."""
    way = frames if frames < 2 * math.ceil(_SHORTEST * fps) else frames // 2
    return int(way * MOST_SPEED / (math.pi / 2))


def _loops(half: int, frames: int) -> tuple[list[int], int]:
    """Loops by kind, and the frames that are left for the way in and out.

    Where there are many, two kinds follow each other without a period (Thue–Morse).
    """
    least = 2 * half * 7 // 10
    few = max(0, frames - least) // (2 * half)
    if few <= _FEW:
        return [0] * few, frames - 2 * half * few
    kinds: list[int] = []
    rest = frames
    while True:
        kind = len(kinds).bit_count() & 1
        length = 2 * _loop_half(half, kind)
        if rest - length < least:
            return kinds, rest
        kinds.append(kind)
        rest -= length


def _loop_half(half: int, kind: int) -> int:
    return half + kind * (half // 4)


def _looped(
    number: int, near: float, far: float, half: int, kinds: Sequence[int]
) -> Iterator[Take]:
    for kind in kinds:
        frames = _loop_half(half, kind)
        back = near + kind * _NEARER * (far - near)
        out = Drift(far, back, frames, 1, (1.0, 1.0))
        home = Drift(back, far, frames, 2, (1.0, 1.0))
        yield Take(number, (out, home))
