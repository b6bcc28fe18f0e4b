"""Time as integers: sample offsets, frame indices, and the grid that joins them.

Nothing here is a float. A film's frame k stands at ``k / fps`` seconds, a tile that starts
at sample s begins with frame ``edge(s)``, and a tile's budget is the difference of two
edges, so rounding never accumulates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from lipsync_kit.errors import UsageError

SAMPLE_RATE = 48_000
"""Samples per second of the master, the chunks and every sample offset in a project."""

FRAME_RATES = {
    "25": Fraction(25),
    "30": Fraction(30),
    "30000/1001": Fraction(30_000, 1001),
    "24000/1001": Fraction(24_000, 1001),
}
"""Frame rates that a user may ask for."""


def edge(sample: int, fps: Fraction, sample_rate: int = SAMPLE_RATE) -> int:
    """The frame that begins nearest to ``sample``: ``floor(sample * fps / rate + 1/2)``."""
    return math.floor(Fraction(sample) * fps / sample_rate + Fraction(1, 2))


def grid_sample(frame: int, fps: Fraction, sample_rate: int = SAMPLE_RATE) -> int:
    """The sample nearest to the start of ``frame``; its :func:`edge` is ``frame`` again."""
    return math.floor(Fraction(frame) * sample_rate / fps + Fraction(1, 2))


def budgets(bounds: Sequence[int], fps: Fraction, sample_rate: int = SAMPLE_RATE) -> list[int]:
    """Frames of every tile.

    ``bounds``: the n + 1 sample offsets of n tiles, rising. The sum is the film's frame count.
    """
    edges = [edge(sample, fps, sample_rate) for sample in bounds]
    return [after - before for before, after in itertools.pairwise(edges)]


def film_frames(samples: int, fps: Fraction, sample_rate: int = SAMPLE_RATE) -> int:
    """Frames of a film whose sound has ``samples`` samples; at least one."""
    return max(1, edge(samples, fps, sample_rate))


def parse_rate(text: str) -> Fraction:
    """A frame rate from a flag.

    Raises :class:`~lipsync_kit.errors.UsageError` for one that is not offered.
    """
    try:
        return FRAME_RATES[text]
    except KeyError:
        offered = ", ".join(FRAME_RATES)
        raise UsageError(f"--fps {text}: not offered. Choose one of {offered}.") from None


def clock(seconds: float) -> str:
    """Seconds as a person reads them: ``9.6 s``, ``4:07``, ``1:02:03``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
