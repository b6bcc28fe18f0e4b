"""Sections of a recording whose loudness differs: other speakers, other microphones or days.

Speech is divided into phrases at its pauses, and each phrase weighed. Sections are runs of
phrases: at least 3 s of speech, the window of EBU R 128's short-term loudness, and as many as
explain the phrases' loudness best at a price for each (optimal partitioning, Jackson et al.,
2005). Sections of about the same loudness are taken for the same speaker's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.plan.pauses import HOP, Levels, Pause
from lipsync_kit.preflight.loudness import SILENT, STEP, Energies, integrated
from lipsync_kit.timing import SAMPLE_RATE

_SHORT_TERM = 3.0  # seconds of speech below which loudness says nothing about a speaker
_PHRASE = 0.3  # seconds below which a sound between two pauses is not weighed
_SPOKEN = 0.3  # share of a phrase that the voice detector must take for speech
_PRICE = 25.0  # of a section more, in LU² · s
_HASTE = 40.0  # on top, where the pause is short: speakers rarely take turns within a breath
_BREATH = 0.4  # seconds of pause from which on that costs nothing more
_ALIKE = 3.0  # LU within which sections are one speaker's
_TURNS = 6.0  # seconds in all below which nobody is a speaker of their own
_FARTHEST = 12.0  # LU from a speaker's level beyond which a phrase says nothing about them


@dataclass(frozen=True)
class Section:
    """A stretch of samples whose loudness (LUFS, gated) differs from what is beside it.

    ``voice``: number of its speaker, in order of appearance; ``lufs``: loudness of all that
    one speaker says.
    """

    start: int
    end: int
    voice: int
    lufs: float


@dataclass(frozen=True)
class _Phrases:
    """Stretches between pauses; ``seconds`` that count, ``level`` in LUFS, the ``rest`` after."""

    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    level: npt.NDArray[np.float64]
    rest: npt.NDArray[np.float64]


def find_sections(
    energies: Energies, pauses: Sequence[Pause], voice: Levels, samples: int
) -> list[Section]:
    """The sections of a sound, in order; they meet in the middles of pauses.

    ``energies``: see :mod:`.loudness`. ``voice``: probability of speech per
    :data:`~.plan.pauses.HOP`. One section where nothing differs, none of silence.
    """
    phrases = _phrases(energies, pauses, voice, samples)
    if not len(phrases.start):
        return []
    levels = _speakers(phrases, _partition(phrases))
    turns = _turns(phrases, np.array(levels))
    heard = {speaker: _loudness(energies, phrases, turns == speaker) for speaker in set(turns)}
    lasts = np.flatnonzero(np.diff(turns)) + 1
    ends = [_between(phrases, last, pauses) for last in lasts.tolist()]
    return [
        Section(start, end, int(speaker), heard[speaker])
        for start, end, speaker in zip(
            [0, *ends], [*ends, samples], turns[[0, *lasts]], strict=True
        )
    ]


def difference(sections: Sequence[Section]) -> float:
    """LU between the loudest and the quietest section."""
    levels = [section.lufs for section in sections]
    return max(levels) - min(levels) if levels else 0.0


def _between(phrases: _Phrases, index: int, pauses: Sequence[Pause]) -> int:
    """The middle of the longest pause between a phrase and the one before it."""
    start, end = int(phrases.end[index - 1]), int(phrases.start[index])
    begins = [bisect_left(pauses, at, key=lambda pause: pause.start) for at in (start, end)]
    longest = max(pauses[slice(*begins)], key=lambda pause: pause.end - pause.start)
    return (longest.start + longest.end) // 2


def _phrases(energies: Energies, pauses: Sequence[Pause], voice: Levels, samples: int) -> _Phrases:
    """What is spoken between pauses, each phrase loud enough to be gated in by itself."""
    edges = np.array([0, *(at for pause in pauses for at in (pause.start, pause.end)), samples])
    start, end = edges[::2], edges[1::2]
    power = np.concatenate([[0.0], np.cumsum(energies.sum(axis=0))])
    spoken = np.concatenate([[0.0], np.cumsum(voice > 0.5)])
    low = np.minimum(-(-start // STEP), len(power) - 1)
    high = np.minimum(end // STEP, len(power) - 1)
    steps = np.maximum(high - low, 1)
    level = -0.691 + 10 * np.log10(np.maximum(power[high] - power[low], 0) / steps + 1e-12)
    hops = np.clip(np.stack([start // HOP, end // HOP]), 0, len(voice))
    share = (spoken[hops[1]] - spoken[hops[0]]) / np.maximum(hops[1] - hops[0], 1)
    kept = (end - start >= _PHRASE * SAMPLE_RATE) & (share >= _SPOKEN)
    kept &= (level > -70) & (high > low)
    start, end, level = start[kept], end[kept], level[kept]
    rest = np.append(start[1:] - end[:-1], 0) / SAMPLE_RATE
    return _Phrases(start, end, (end - start) / SAMPLE_RATE, level, rest)


def _partition(phrases: _Phrases) -> list[tuple[int, int]]:
    """Runs of phrases ``[first, last)``: the least weighted squares plus a price for each run."""
    count = len(phrases.start)
    sums = np.zeros((3, count + 1))
    terms = (phrases.seconds, phrases.seconds * phrases.level, phrases.seconds * phrases.level**2)
    sums[:, 1:] = np.cumsum(terms, axis=1)
    prices = _PRICE + _HASTE * np.maximum(0, 1 - phrases.rest / _BREATH)
    best = np.full(count + 1, np.inf)
    best[0] = 0.0
    before = np.zeros(count + 1, np.intp)
    for last in range(1, count + 1):
        seconds, firsts, squares = sums[:, last, None] - sums[:, :last]
        costs = best[:last] + squares - firsts**2 / np.maximum(seconds, 1e-9)
        costs[seconds < _SHORT_TERM] = np.inf
        cheapest = int(np.argmin(costs))
        best[last], before[last] = costs[cheapest], cheapest
        if last < count:
            best[last] += prices[last - 1]
    if not np.isfinite(best[count]):
        return [(0, count)]  # less than 3 s in all
    runs, last = [], count
    while last > 0:
        runs.append((int(before[last]), last))
        last = int(before[last])
    return runs[::-1]


def _speakers(phrases: _Phrases, runs: Sequence[tuple[int, int]]) -> list[float]:
    """The level of each speaker: runs join while they are alike, and those of a few words.

    In LUFS, in order of first appearance.
    """
    seconds = [float(phrases.seconds[a:b].sum()) for a, b in runs]
    levels = [float(np.average(phrases.level[a:b], weights=phrases.seconds[a:b])) for a, b in runs]
    order = [int(index) for index in np.argsort(levels, kind="stable")]
    firsts, weights, means = order[:], [seconds[i] for i in order], [levels[i] for i in order]
    enough = min(_TURNS, sum(seconds) / 5)
    while len(means) > 1:
        apart = np.diff(means)
        few = np.minimum(weights[1:], weights[:-1]) < enough
        nearest = int(np.argmin(np.where(few, apart / 1000, apart)))
        if apart[nearest] >= _ALIKE and not few[nearest]:
            break
        both = slice(nearest, nearest + 2)
        means[both] = [float(np.average(means[both], weights=weights[both]))]
        weights[both] = [sum(weights[both])]
        firsts[both] = [min(firsts[both])]
    return [means[i] for i in np.argsort(firsts)]


def _turns(phrases: _Phrases, levels: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Who speaks each phrase: the likeliest course of turns between known levels (Viterbi)."""
    prices = _PRICE + _HASTE * np.maximum(0, 1 - phrases.rest / _BREATH)
    away = np.minimum(np.abs(phrases.level[:, None] - levels), _FARTHEST)
    costs = phrases.seconds[:, None] * away**2
    count = len(costs)
    total = costs[0]
    came = np.zeros(costs.shape, np.intp)
    for index in range(1, count):
        best = int(np.argmin(total))
        turned = total[best] + prices[index - 1] < total
        came[index] = np.where(turned, best, np.arange(len(levels)))
        total = np.where(turned, total[best] + prices[index - 1], total) + costs[index]
    turns = np.zeros(count, np.intp)
    turns[-1] = int(np.argmin(total))
    for index in range(count - 1, 0, -1):
        turns[index - 1] = came[index, turns[index]]
    return turns


def _loudness(energies: Energies, phrases: _Phrases, which: npt.NDArray[np.bool_]) -> float:
    """The gated loudness of some phrases, in LUFS."""
    spans = zip(phrases.start[which] // STEP, -(-phrases.end[which] // STEP), strict=True)
    parts = [energies[:, first:last] for first, last in spans]
    loudness = integrated(np.concatenate(parts, axis=1))
    return float(phrases.level[which].mean()) if loudness == SILENT else loudness
