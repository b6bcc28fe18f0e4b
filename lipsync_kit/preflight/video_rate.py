"""From time stamps to a constant frame rate, without losing a frame.

Pure. A frame shown at time t belongs to the film's frame ``round(t * fps)``; a rate at which
every frame has one of its own is the video's. Where stamps vary, a frame may move to the next
place so that none is lost; where they leave a hole, the frame before it is held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lipsync_kit.preflight.video_footage import Footage, Ticks

STANDARD = tuple(
    Fraction(rate) for rate in (8, 10, 12, "25/2", 15, 20, "24000/1001", 24, 25, "30000/1001", 30,
                                48, 50, "60000/1001", 60)
)  # fmt: skip
"""Rates that a video of varying rate may get."""

_FASTEST = 250
_NEAR = Fraction(3, 100)
_STEADY = 0.1  # of a frame
_AHEAD = 1  # film frames that a frame may be moved to keep it


@dataclass(frozen=True, eq=False)
class Grid:
    """A video's frames on a grid of constant rate.

    ``slots``: for each frame in the order shown, the film's frame that it becomes; where two
    are equal, the earlier one is lost. ``frames``: of the film.
    """

    fps: Fraction
    slots: Ticks
    frames: int

    @property
    def lost(self) -> int:
        """Frames that have no place."""
        return len(self.slots) - len(np.unique(self.slots))

    @property
    def exact(self) -> bool:
        """Whether film frames and the video's are the same, one by one."""
        return self.frames == len(self.slots) and bool(
            np.array_equal(self.slots, np.arange(self.frames))
        )

    def order(self) -> Ticks:
        """For each film frame, the video's frame that it shows."""
        return np.searchsorted(self.slots, np.arange(self.frames), side="right") - 1


def find_grid(footage: Footage, fps: Fraction | None = None) -> Grid:
    """The video on the grid of ``fps``, or of its own rate.

    A steady video keeps its rate exactly, as the standard rational where it is one; another
    gets the nearest standard rate, or the next at which no frame is lost.
    """
    own = _own_grid(footage)
    if fps is None or fps == own.fps:
        return own
    return _at(footage, fps)


def _own_grid(footage: Footage) -> Grid:
    for rate in _own_rates(footage):
        grid, count = _rounded(footage, rate), footage.frames
        if _beats(footage, rate) and np.array_equal(grid.slots, np.arange(count)):
            # One frame more is a last frame's rounded duration; a longer hold is meant.
            return grid if grid.frames > count + 1 else Grid(rate, grid.slots, count)
    return _steadied(footage)


def _own_rates(footage: Footage) -> list[Fraction]:
    """Rates that the video may have, the likeliest first."""
    span = int(footage.times[-1] - footage.times[0]) * footage.time_base
    if not span:
        return []
    mean = (footage.frames - 1) / span
    near = [rate for rate in STANDARD if abs(rate / mean - 1) < _NEAR]
    near.sort(key=lambda rate: abs(rate - mean))
    stated = footage.stated_rate
    if stated in near:
        near.insert(0, stated)
    elif stated is not None and abs(stated / mean - 1) < _NEAR:
        near.append(stated)
    return [rate for rate in (*near, mean.limit_denominator(1001)) if 0 < rate <= _FASTEST]


def _beats(footage: Footage, rate: Fraction) -> bool:
    """Whether frames come at ``rate``, but for the rounding of a clock."""
    frame = float(1 / rate / footage.time_base)
    away = footage.times - footage.times[0] - np.arange(footage.frames) * frame
    return float(np.abs(away - np.median(away)).max()) <= max(1.0, _STEADY * frame)


def _steadied(footage: Footage) -> Grid:
    """A standard rate for a video whose own varies."""
    usual = _usual_rate(footage)
    for rate in STANDARD[STANDARD.index(usual) :]:
        grid = _at(footage, rate)
        if not grid.lost:
            return grid
    return _at(footage, usual)


def _usual_rate(footage: Footage) -> Fraction:
    """The standard rate whose beat the frames keep best, of those near their usual step."""
    steps = np.diff(footage.times) * float(footage.time_base)
    likely = [1 / step for step in (float(np.median(steps)), float(steps.mean())) if step]
    near = [
        rate for rate in STANDARD if any(abs(float(rate) / each - 1) < _NEAR for each in likely)
    ]
    if not near:
        wanted = likely[0] if likely else 25.0
        return min(STANDARD, key=lambda rate: abs(float(rate) - wanted))
    seconds = (footage.times - footage.times[0]) * float(footage.time_base)
    # The mean direction of the phases is the longer the less they scatter.
    phases = {rate: np.exp(2j * np.pi * seconds * float(rate)) for rate in near}
    return max(near, key=lambda rate: float(abs(phases[rate].mean())))


def _at(footage: Footage, fps: Fraction) -> Grid:
    """The video at ``fps``: no frame lost when none has to move far."""
    plain = _rounded(footage, fps)
    if not plain.lost:
        return plain
    places = np.arange(len(plain.slots))
    kept = np.maximum.accumulate(plain.slots - places) + places
    if int((kept - plain.slots).max()) > _AHEAD:
        return plain
    return Grid(fps, kept, max(plain.frames, int(kept[-1]) + 1))


def _rounded(footage: Footage, fps: Fraction) -> Grid:
    unit = footage.time_base * fps
    slots = _nearest(footage.times - footage.times[0], unit)
    end = math.floor(footage.seconds * fps + Fraction(1, 2))
    return Grid(fps, slots, max(int(slots[-1]) + 1, end))


def _nearest(ticks: Ticks, unit: Fraction) -> Ticks:
    """``floor(ticks * unit + 1/2)``, exactly."""
    p, q = unit.numerator, unit.denominator
    if int(ticks.max(initial=0)) * 2 * p < 2**62:
        return (2 * p * ticks.astype(np.int64) + q) // (2 * q)
    return np.array([(2 * p * int(tick) + q) // (2 * q) for tick in ticks], np.int64)
