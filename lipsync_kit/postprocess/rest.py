"""Where a clip rests: nobody speaks in what was sent for it, and the mouth stays as it is.

The sound tells where to look, the picture whether lips that should rest do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipsync_kit.plan.pauses import quiet_below, runs
from lipsync_kit.postprocess.measures import CURVE_RATE, Curve, envelope_of

CLOSING, OPENING = Fraction(15, 100), Fraction(8, 100)
"""Seconds after a word and before the next one in which lips still move."""

_PARTED = 0.02
"""Face heights by which lips may be further apart than they mostly are at rest."""

_USUAL = 25.0
"""The percentile of the mouth's opening, where nobody speaks, that counts as its rest."""


@dataclass(frozen=True)
class Rest:
    """Frames ``[first, end)`` of a clip on the film's grid in which it rests."""

    first: int
    end: int

    @property
    def frames(self) -> int:
        """How many."""
        return self.end - self.first


def silences(sound: Path, fps: Fraction, frames: int) -> list[Rest]:
    """Where a clip of ``frames`` frames has silence, lips given time to close and to open.

    ``sound``: the WAV that was sent for it, from the clip's first frame on. What comes after
    the sound's end is silent too.
    """
    loudness = envelope_of(sound)
    levels = np.full(max(len(loudness), int(frames / fps * CURVE_RATE) + 1), 1e-6)
    levels[: len(loudness)] = np.maximum(loudness, 1e-6)
    return quiet_frames(20 * np.log10(levels), fps, frames)


def quiet_frames(levels: Curve, fps: Fraction, frames: int) -> list[Rest]:
    """The same from levels in dB at :data:`~.measures.CURVE_RATE`."""
    decibels = np.asarray(levels, np.float32)
    quiet = runs(decibels < quiet_below(decibels))
    found = []
    for start, stop in quiet:
        begin = Fraction(int(start), CURVE_RATE) + (CLOSING if start else 0)
        end = Fraction(int(stop), CURVE_RATE) - (OPENING if stop < len(levels) else 0)
        first, last = -(-begin * fps // 1), end * fps // 1
        if min(frames, last) > first:
            found.append(Rest(int(first), int(min(frames, last))))
    return found


def at_rest(silent: Sequence[Rest], openings: Sequence[Sequence[float]]) -> list[Rest]:
    """The parts of ``silent`` in which the mouth is about as open as it mostly is in them.

    ``openings``: the mouth's opening in every frame of each. Where no face is seen, silence
    is all there is to go by.
    """
    known = [value for run in openings for value in run if np.isfinite(value)]
    if not known:
        return list(silent)
    most = float(np.percentile(known, _USUAL)) + _PARTED
    found = []
    for rest, run in zip(silent, openings, strict=True):
        values: npt.NDArray[np.float64] = np.asarray(run)
        for start, stop in runs(~(values > most)):
            found.append(Rest(rest.first + int(start), rest.first + int(stop)))
    return found
