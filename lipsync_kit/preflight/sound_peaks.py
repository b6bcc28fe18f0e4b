"""True peaks (ITU-R BS.1770-4, annex 2) and a look-ahead limiter that holds them down.

The reconstruction between samples is computed only where the samples come near the ceiling:
a band-limited signal hardly rises more than 6 dB above its neighbouring samples. The limiter
turns the sound down smoothly around a peak, all channels alike, and changes nothing else:
where nothing is too loud, its output is its input, sample for sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from lipsync_kit.media.pcm import Block

Channel = npt.NDArray[np.float32]

REACH = 480
"""Samples before and after a peak over which the limiter turns down and up again: 10 ms."""

_NEAR = 0.5  # -6 dB: how far below the ceiling a sample may lie to have a peak beside it
_LANE = 120
_TAPS = 32
_BEFORE = _TAPS // 2 - 1
_PASSES = 4
_SAFETY = 10 ** (-0.2 / 20)  # meters differ in their reconstruction filters by less than 0.2 dB


def decibels(factor: float) -> float:
    """20 log10, with silence at -200 dB."""
    return float(20 * np.log10(max(factor, 1e-10)))


def factor(level: float) -> float:
    """The factor of a level in dB."""
    return float(10 ** (level / 20))


@cache
def _between() -> npt.NDArray[np.float32]:
    """Matrix from a lane and its context to the three points after each of its samples.

    Kaiser-windowed sinc, 32 taps a point: flat to 20 kHz at 48 kHz.
    """
    matrix = np.zeros((_LANE + _TAPS - 1, 3, _LANE))
    taps = np.arange(_TAPS) - _BEFORE
    for phase in range(3):
        offset = (phase + 1) / 4
        window = np.i0(6 * np.sqrt(np.maximum(0, 1 - ((taps - offset) / (_TAPS / 2)) ** 2)))
        kernel = np.sinc(taps - offset) * window / np.i0(6)
        kernel /= kernel.sum()
        for sample in range(_LANE):
            matrix[sample : sample + _TAPS, phase, sample] = kernel
    return matrix.reshape(len(matrix), -1).astype(np.float32)


def envelope(channel: Channel, near: float) -> Channel:
    """The largest magnitude at each sample or between it and the next.

    Reconstructed where it may reach ``near``; elsewhere the sample's own magnitude.
    """
    count = len(channel)
    lanes = -(-count // _LANE)
    padded = np.zeros(lanes * _LANE + _TAPS - 1, np.float32)
    padded[_BEFORE : _BEFORE + count] = channel
    out = np.abs(padded[_BEFORE : _BEFORE + lanes * _LANE]).reshape(lanes, _LANE)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _LANE + _TAPS - 1)[::_LANE]
    hot = _may_reach(out, windows, near)
    for some in np.array_split(hot, -(-len(hot) // 512)) if len(hot) else []:
        points = (windows[some] @ _between()).reshape(-1, 3, _LANE)
        np.abs(points, out=points)
        highest = np.maximum(np.maximum(points[:, 0], points[:, 1]), points[:, 2])
        out[some] = np.maximum(out[some], highest)
    return out.reshape(-1)[:count]


def _may_reach(
    magnitudes: npt.NDArray[np.float32], windows: npt.NDArray[np.float32], near: float
) -> npt.NDArray[np.intp]:
    """Lanes whose reconstruction may reach ``near``.

    A peak between two samples rises above them by less than half their second difference,
    for content up to 18 kHz; most of speech is so smooth that its samples say it all.
    """
    loudest = magnitudes.max(axis=1)
    loud = loudest >= near * _NEAR
    loud[:-1] |= loud[1:]
    hot = np.flatnonzero(loud)
    around = windows[hot, _BEFORE - 1 : _BEFORE + _LANE + 2]
    bend = np.abs(np.diff(around, n=2, axis=1)).max(axis=1, initial=0.0)
    reach = np.maximum(loudest[hot], np.abs(around).max(axis=1, initial=0.0)) + 0.5 * bend
    near_enough: npt.NDArray[np.intp] = hot[reach >= near]
    return near_enough


def true_peak(block: Block, floor: float = 0.0) -> float:
    """The largest true peak of ``block`` as a factor, if it exceeds ``floor``."""
    highest = floor
    for channel in block:
        loudest = float(np.abs(channel).max(initial=0.0))
        if loudest >= highest * _NEAR:
            highest = max(highest, float(envelope(channel, max(highest, loudest)).max(initial=0)))
    return highest


def _least(values: Channel, reach: int) -> Channel:
    """The minimum within ``reach`` samples to either side."""
    width = 2 * reach + 1
    padded = np.pad(values, reach, constant_values=1.0)
    span = 1
    while span * 2 <= width:
        padded = np.minimum(padded[:-span], padded[span:])
        span *= 2
    rest = width - span
    return np.minimum(padded[: len(values)], padded[rest : rest + len(values)])


def _mean(values: Channel, width: int) -> Channel:
    """The running mean over an odd ``width``; the ends go on as they are."""
    sums = np.cumsum(np.pad(values.astype(np.float64), (width // 2 + 1, width // 2), mode="edge"))
    return ((sums[width:] - sums[:-width]) / width).astype(np.float32)


def _highest(block: Block, near: float) -> Channel:
    """The envelope over all channels."""
    envelopes = [envelope(channel, near) for channel in block]
    return envelopes[0] if len(envelopes) == 1 else np.maximum(*envelopes)


def _turned_down(block: Block, highest: Channel, ceiling: float) -> Block:
    """``block`` with the peaks of its envelope ``highest`` brought to ``ceiling``."""
    needed = np.minimum(np.float32(1), np.float32(ceiling) / np.maximum(highest, np.float32(1e-9)))
    # A minimum as wide as the two means together keeps the smoothed gain below every need.
    smooth = _mean(_mean(_least(needed, REACH), REACH - 1), REACH - 1)
    return block * smooth


@dataclass(frozen=True)
class Limited:
    """A limited block, its true peak as a factor (exact near the ceiling), what was changed.

    ``changed``: stretches in samples, shape ``(stretches, 2)``.
    """

    block: Block
    peak: float
    changed: npt.NDArray[np.intp]


def limited(block: Block, ceiling: float) -> Limited:
    """``block`` with true peaks at most ``ceiling`` (a factor).

    Local: what happens at a sample depends on less than 0.1 s around it, so a long sound
    may be limited in overlapping stretches.
    """
    target = ceiling * _SAFETY
    highest = _highest(block, target)
    changed = _around(highest > target, 2 * REACH)
    if not len(changed):
        return Limited(block, float(highest.max(initial=0.0)), changed)
    out = block.copy()
    for start, end in changed:
        part, envelope_part = block[:, start:end], highest[start:end]
        # The gain moves between samples, so a peak may end up a hair higher: look again.
        for _ in range(_PASSES):
            part = _turned_down(part, envelope_part, target)
            envelope_part = _highest(part, target)
            if envelope_part.max() <= target * 1.0005:
                break
        out[:, start:end] = part
        highest[start:end] = envelope_part
    return Limited(out, float(highest.max()), changed)


def _around(flags: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.intp]:
    """Runs of true widened by ``reach`` to either side and joined where they then touch."""
    at = np.flatnonzero(flags)
    if not len(at):
        return np.zeros((0, 2), np.intp)
    breaks = np.flatnonzero(np.diff(at) > 2 * reach)
    starts = at[np.concatenate([[0], breaks + 1])] - reach
    ends = at[np.concatenate([breaks, [len(at) - 1]])] + reach + 1
    return np.stack([np.maximum(starts, 0), np.minimum(ends, len(flags))], axis=1)
