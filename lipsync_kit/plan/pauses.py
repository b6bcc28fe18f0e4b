"""Where speech rests: pauses, and the quietest places where there is none.

Pure functions of what the voice detector and the level meter heard. Times are sample
offsets on the 48 kHz timeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lipsync_kit.plan.grid import frames_between
from lipsync_kit.timing import SAMPLE_RATE

Levels = npt.NDArray[np.float32]

HOP = SAMPLE_RATE // 100
"""Samples that one level stands for: 10 ms; each is measured over two hops."""

SHORTEST_PAUSE = 0.1
"""Seconds below which quiet is a stop consonant rather than a pause."""

_CLEAR = 15.0  # dB below speech at which it is quiet, whatever the voice detector says
_SPAN = 1500  # hops of the window in which floor and speech level are sought: 15 s
_STEP = 500


@dataclass(frozen=True)
class Pause:
    """Quiet from ``start`` to ``end`` (samples).

    ``voiced``: how sure the voice detector is that it is speech after all, from 0 to 1.
    """

    start: int
    end: int
    voiced: float = 0.0

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start) / SAMPLE_RATE


@dataclass(frozen=True)
class Valley:
    """A short dip of the level at ``sample``, ``depth`` dB below the speech around it."""

    sample: int
    depth: float


def speech_and_floor(levels: Levels) -> tuple[Levels, Levels]:
    """The local level of speech and of what is under it, in dB, for every hop.

    The 95th and the 5th percentile of 15 s around; where nothing is said for longer, the
    speech level stays within 20 dB of the whole recording's.
    """
    overall = float(np.percentile(levels, 95))
    centres = np.arange(0, len(levels), _STEP)
    low, high = np.empty(len(centres)), np.empty(len(centres))
    for index, centre in enumerate(centres):
        around = levels[max(0, centre - _SPAN // 2) : centre + _SPAN // 2]
        low[index], high[index] = np.percentile(around, [5, 95])
    high = np.maximum(high, overall - 20)
    hops = np.arange(len(levels))
    return (
        np.interp(hops, centres, high).astype(np.float32),
        np.interp(hops, centres, low).astype(np.float32),
    )


def quiet_below(levels: Levels) -> Levels:
    """The level under which a hop is quiet, for every hop."""
    high, low = speech_and_floor(levels)
    threshold: Levels = np.maximum(low + np.clip(0.3 * (high - low), 3, 12), high - 38)
    return threshold


def runs(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Start and end index of every run of true, shape ``(runs, 2)``."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def speaking(speech: Levels, hops: int, frame: float) -> Levels:
    """Probability of speech at every hop, from one per ``frame`` samples."""
    at = ((np.arange(hops) + 1) * HOP / frame).astype(np.intp)
    return speech[np.minimum(at, len(speech) - 1)]


def find_pauses(speech: Levels, levels: Levels, samples: int, frame: float) -> list[Pause]:
    """Pauses of at least :data:`SHORTEST_PAUSE`, in order.

    ``speech``: probability per ``frame`` samples; ``levels``: dB per :data:`HOP`;
    ``samples``: the sound's length.
    """
    quiet = levels < quiet_below(levels)
    loud = runs(~quiet)
    # A click or a lip smack of 30 ms doesn't end a pause.
    for start, end in loud[(loud[:, 1] - loud[:, 0] <= 2)]:
        quiet[start:end] = True
    probability = speaking(speech, len(levels), frame)
    below = speech_and_floor(levels)[0] - levels
    found = []
    for first, last in runs(quiet):
        # A level covers two hops, so the sound rises again a hop after the last quiet one began.
        start, end = first * HOP, (last + 1) * HOP if last < len(levels) else samples
        voiced = float(probability[first:last].mean())
        if voiced > 0.5 and below[first:last].mean() < _CLEAR:
            continue  # the voice only sank
        if (end - start) / SAMPLE_RATE >= SHORTEST_PAUSE:
            found.append(Pause(int(start), int(min(end, samples)), voiced))
    return found


def find_valleys(
    levels: Levels, samples: int, pauses: list[Pause], reach: int, fps: Fraction
) -> list[Valley]:
    """The quietest frame starts of stretches that have no pause for more than ``reach`` samples.

    Every half second of such a stretch has one, so that a cut is always possible.
    """
    high, _ = speech_and_floor(levels)
    below = high - levels
    ends = [0, *(end for pause in pauses for end in (pause.start, pause.end)), samples]
    found = []
    for start, end in zip(ends[::2], ends[1::2], strict=True):
        if end - start <= reach:
            continue
        at = frames_between(start + 1, end - 1, fps)
        # A level is measured over two hops: its middle is one hop after its start.
        hops = np.clip(np.rint(at / HOP).astype(np.intp) - 1, 0, len(below) - 1)
        group = max(1, int(fps / 2))
        for first in range(0, len(at), group):
            deepest = first + int(np.argmax(below[hops[first : first + group]]))
            found.append(Valley(int(at[deepest]), float(below[hops[deepest]])))
    return found
