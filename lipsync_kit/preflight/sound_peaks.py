"""True peaks (ITU-R BS.1770-4, annex 2) and a look-ahead limiter that holds them down.

The reconstruction between samples is computed only where the samples come near the ceiling:
a band-limited signal hardly rises more than 6 dB above its neighbouring samples. The limiter
turns the sound down smoothly around a peak, all channels alike, and changes nothing else:
where nothing is too loud, its output is its input, sample for sample.
"""

from __future__ import annotations

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
    matrix = np.zeros((_LANE + _TAPS - 1, _LANE, 3))
    taps = np.arange(_TAPS) - (_TAPS // 2 - 1)
    for phase in range(3):
        offset = (phase + 1) / 4
        window = np.i0(6 * np.sqrt(np.maximum(0, 1 - ((taps - offset) / (_TAPS / 2)) ** 2)))
        kernel = np.sinc(taps - offset) * window / np.i0(6)
        kernel /= kernel.sum()
        for sample in range(_LANE):
            matrix[sample : sample + _TAPS, sample, phase] = kernel
    return matrix.reshape(len(matrix), -1).astype(np.float32)


def envelope(channel: Channel, near: float) -> Channel:
    """The largest magnitude at each sample or between it and the next.

    Exact wherever it exceeds ``near`` times :data:`_NEAR` or so; elsewhere the sample's own
    magnitude.
    """
    count = len(channel)
    lanes = -(-count // _LANE)
    before = _TAPS // 2 - 1
    padded = np.zeros(lanes * _LANE + _TAPS - 1, np.float32)
    padded[before : before + count] = channel
    out = np.abs(padded[before : before + lanes * _LANE]).reshape(lanes, _LANE)
    loud = out.max(axis=1) >= near * _NEAR
    loud[:-1] |= loud[1:]
    hot = np.flatnonzero(loud)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _LANE + _TAPS - 1)[::_LANE]
    for some in np.array_split(hot, -(-len(hot) // 512)) if len(hot) else []:
        points = np.abs(windows[some] @ _between()).reshape(-1, _LANE, 3)
        out[some] = np.maximum(out[some], points.max(axis=2))
    return out.reshape(-1)[:count]


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


def _turned_down(block: Block, ceiling: float) -> Block | None:
    """``block`` with its peaks brought to ``ceiling``, or ``None`` when none is above it."""
    highest = np.zeros(block.shape[1], np.float32)
    for channel in block:
        np.maximum(highest, envelope(channel, ceiling), out=highest)
    if highest.max(initial=0.0) <= ceiling:
        return None
    needed = np.minimum(np.float32(1), np.float32(ceiling) / np.maximum(highest, 1e-9))
    # A minimum as wide as the two means together keeps the smoothed gain below every need.
    smooth = _mean(_mean(_least(needed, REACH), REACH - 1), REACH - 1)
    return block * smooth


def limited(block: Block, ceiling: float) -> tuple[Block, bool]:
    """``block`` with true peaks at most ``ceiling`` (a factor), and whether it was changed.

    Local: what happens at a sample depends on less than 0.1 s around it, so a long sound
    may be limited in overlapping stretches.
    """
    changed = False
    target = ceiling * _SAFETY
    # The gain moves between samples, so a peak may end up a hair higher: look again.
    for _ in range(3):
        lower = _turned_down(block, target)
        if lower is None:
            break
        block, changed = lower, True
    return block, changed
