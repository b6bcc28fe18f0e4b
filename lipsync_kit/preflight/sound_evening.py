"""Evening out speakers: a gain for each section, moved only in the pauses between them.

Within a section the gain is constant, so nothing pumps. After an edit, sections whose
loudness hardly moved keep their gains, so that unchanged sound keeps its samples.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lipsync_kit.plan.kept import Kept
from lipsync_kit.plan.pauses import Pause
from lipsync_kit.preflight.loudness import STEP
from lipsync_kit.preflight.sound_sections import Section, difference
from lipsync_kit.timing import SAMPLE_RATE

APART = 6.0
"""LU between the loudest and the quietest section from which on they are evened out."""

_STILL_APART = 5.0  # the same after an edit, where they were evened out before
_REFERENCE = -23.0
_MOST = 20.0  # LU by which the quietest is lifted over the loudest: its noise comes with it
_STAYS = 1.5  # LU by which an edit may move a section before its gain follows
_NEAR = 10 * SAMPLE_RATE  # samples from where a gain moved to where it would be moved now
_RAMP = SAMPLE_RATE  # samples over which a gain moves at most
_FADES = 0.15  # seconds in which the word before a pause may still fade away
_SETS_IN = 0.05


@dataclass(frozen=True)
class Ramp:
    """Where the gain moves, from sample ``start`` to ``end``, between two sections."""

    start: int
    end: int


@dataclass(frozen=True)
class Evened:
    """Sections with a gain (dB) each and the ramps between them; no gains: nothing is moved."""

    sections: tuple[Section, ...]
    gains: tuple[float, ...] = ()
    ramps: tuple[Ramp, ...] = ()

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Evened:
        """What :func:`dataclasses.asdict` and JSON made of it, read back."""
        return cls(
            tuple(Section(**fields) for fields in facts["sections"]),
            tuple(facts["gains"]),
            tuple(Ramp(**fields) for fields in facts["ramps"]),
        )

    @property
    def curve(self) -> Curve | None:
        """The gain over time, if it moves."""
        return Curve.of(self) if self.gains else None


class Curve:
    """A gain over time: straight in dB between points, level before the first and after the last.

    ``at``: samples; ``decibels``: the gain there.
    """

    def __init__(self, at: Sequence[int], decibels: Sequence[float]) -> None:
        self._at = np.array(at, np.int64)
        self._decibels = np.array(decibels)

    @classmethod
    def of(cls, evened: Evened) -> Curve:
        """The curve of some sections."""
        at = [place for ramp in evened.ramps for place in (ramp.start, ramp.end)] or [0]
        gains = [gain for pair in itertools.pairwise(evened.gains) for gain in pair]
        return cls(at, gains or evened.gains)

    def _factors(self, places: npt.ArrayLike) -> npt.NDArray[np.float64]:
        decibels = np.interp(np.asarray(places, np.float64), self._at, self._decibels)
        return np.asarray(10 ** (decibels / 20))

    def factors(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """The factor of every sample, or a single one where they are alike."""
        inside = (self._at > start) & (self._at < start + count)
        ends = self._factors([start, start + count])
        if not inside.any() and ends[0] == ends[1]:
            return ends[:1].astype(np.float32)
        return self._factors(np.arange(start, start + count)).astype(np.float32)

    def powers(self, steps: int) -> npt.NDArray[np.float64]:
        """The factor of the power of every step of :data:`~.loudness.STEP` samples."""
        tenths = (np.arange(10 * steps) + 0.5) * STEP / 10
        return np.asarray((self._factors(tenths) ** 2).reshape(steps, 10).mean(axis=1))

    def highest(self, windows: int, size: int) -> npt.NDArray[np.float64]:
        """The largest factor in every window of ``size`` samples."""
        edges = self._factors(np.arange(windows + 1) * size)
        most = np.maximum(edges[:-1], edges[1:])
        inside = np.minimum(self._at // size, windows - 1)
        np.maximum.at(most, inside, 10 ** (self._decibels / 20))
        return np.asarray(most)

    def same(self, other: Curve, start: int, end: int, shift: int) -> bool:
        """Whether ``other`` was the same on ``[start, end)``, ``shift`` samples earlier."""
        places = np.concatenate([[start, end], self._at, other._at + shift])
        places = places[(places >= start) & (places <= end)].astype(np.float64)
        mine = np.interp(places, self._at, self._decibels)
        theirs = np.interp(places - shift, other._at, other._decibels)
        return bool(np.allclose(mine, theirs, rtol=0, atol=1e-9))


def even_out(
    sections: Sequence[Section],
    pauses: Sequence[Pause],
    before: Evened | None = None,
    spans: Sequence[tuple[int, int, int]] = (),
) -> Evened:
    """Gains that bring all sections to one loudness, where they differ by :data:`APART`.

    ``before``: what was done before an edit. ``spans``: what is unchanged since, as
    ``(start, end, shift)``; it lay ``shift`` samples earlier then.
    """
    were = before is not None and bool(before.gains)
    if difference(sections) <= (_STILL_APART if were else APART):
        return Evened(tuple(sections))
    loudest = _REFERENCE - max(section.lufs for section in sections)
    wanted = [min(_REFERENCE - section.lufs, loudest + _MOST) for section in sections]
    ramps = [_ramp(section.end, pauses) for section in sections[:-1]]
    if before is None or not were:
        return Evened(_between(sections, ramps), tuple(wanted), tuple(ramps))
    earlier = _Before(before, spans)
    voices = {section.voice: gain for section, gain in zip(sections, wanted, strict=True)}
    for voice, gain in voices.items():
        same = [section for section in sections if section.voice == voice]
        voices[voice] = earlier.gain(same, gain, gain)
    gains = [
        earlier.gain([section], gain, voices[section.voice])
        for section, gain in zip(sections, wanted, strict=True)
    ]
    moves = zip(ramps, itertools.pairwise(gains), itertools.pairwise(sections), strict=True)
    stayed = [earlier.ramp(ramp, ends, one.start, other.end) for ramp, ends, (one, other) in moves]
    if all(one.end < other.start for one, other in itertools.pairwise(stayed)):
        ramps = stayed
    return Evened(_between(sections, ramps), tuple(gains), tuple(ramps))


def _between(sections: Sequence[Section], ramps: Sequence[Ramp]) -> tuple[Section, ...]:
    """The sections, meeting where the ramps are."""
    middles = [(ramp.start + ramp.end) // 2 for ramp in ramps]
    bounds = [sections[0].start, *middles, sections[-1].end]
    return tuple(
        replace(section, start=start, end=end)
        for section, (start, end) in zip(sections, itertools.pairwise(bounds), strict=True)
    )


def _ramp(place: int, pauses: Sequence[Pause]) -> Ramp:
    """The ramp in the pause at ``place``, away from the words on both sides."""
    pause = pauses[bisect_right(pauses, place, key=lambda pause: pause.start) - 1]
    length = pause.end - pause.start
    start = pause.start + min(int(_FADES * SAMPLE_RATE), length // 3)
    end = pause.end - min(int(_SETS_IN * SAMPLE_RATE), length // 6)
    spare = max(0, end - start - _RAMP) // 2
    return Ramp(start + spare, end - spare)


class _Before:
    """What an earlier evening did to sound that is unchanged, on the new timeline."""

    def __init__(self, evened: Evened, spans: Sequence[tuple[int, int, int]]) -> None:
        self._stretches: list[tuple[int, int, float]] = []
        self._ramps: list[tuple[Ramp, tuple[float, float]]] = []
        pairs = list(zip(evened.sections, evened.gains, strict=True))
        for start, end, shift in spans:
            for section, gain in pairs:
                low, high = max(start, section.start + shift), min(end, section.end + shift)
                if low < high:
                    self._stretches.append((low, high, gain))
            for ramp, ends in zip(evened.ramps, itertools.pairwise(evened.gains), strict=True):
                if start <= ramp.start + shift and ramp.end + shift <= end:
                    self._ramps.append((Ramp(ramp.start + shift, ramp.end + shift), ends))

    def gain(self, alike: Sequence[Section], wanted: float, otherwise: float) -> float:
        """The gain that most of some sections had when it is about what is ``wanted`` now."""
        shared: dict[float, int] = {}
        for section in alike:
            for start, end, gain in self._stretches:
                overlap = min(section.end, end) - max(section.start, start)
                if overlap > 0:
                    shared[gain] = shared.get(gain, 0) + overlap
        if not shared:
            return otherwise
        had = max(shared, key=lambda gain: shared[gain])
        return had if abs(had - wanted) <= _STAYS else otherwise

    def ramp(self, wanted: Ramp, ends: tuple[float, float], low: int, high: int) -> Ramp:
        """The nearest ramp between the same gains that lay in ``[low, high)``."""
        low, high = max(low, wanted.start - _NEAR), min(high, wanted.end + _NEAR)
        same = [
            ramp for ramp, had in self._ramps if had == ends and low <= ramp.start < ramp.end < high
        ]
        return min(same, key=lambda ramp: abs(ramp.start - wanted.start), default=wanted)


def unmoved(kept: Sequence[Kept], now: Curve | None, before: Curve | None) -> list[Kept]:
    """Those of ``kept`` over which the gain moves as it did before."""
    if now is None or before is None:
        return list(kept) if now is before else []
    return [
        item
        for item in kept
        if now.same(before, item.moved.sent_start, item.moved.sent_end, item.shift)
    ]
