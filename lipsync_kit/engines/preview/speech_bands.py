"""Sound → mel band levels at 100 Hz, in one pass over blocks of any size.

A step is 10 ms; step j is centred on j · 10 ms, whatever the sample rate, so that nothing
downstream lags. Only the levels are kept: 40 half-precision numbers per step, 29 MB an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

STEP_RATE = 100
"""Steps per second."""

BANDS = 40
LOW_HZ, HIGH_HZ = 80.0, 7600.0
FLOOR_DB = -160.0
"""What a band without any energy, or beyond the sound's bandwidth, reads."""

WINDOW_SECONDS, TRANSFORM_SECONDS = 0.025, 0.032
STEPS_AT_ONCE = 512


def band_centres() -> Floats:
    """Centre frequencies of the bands in Hz, evenly spaced on the mel scale (O'Shaughnessy)."""
    return _mel_edges()[1:-1].astype(np.float32)


def _mel_edges() -> npt.NDArray[np.float64]:
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    return np.asarray(700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1))


class BandMeter:
    """Measures band levels (dB of power density re full scale) at one sample rate."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.reach = max(1, round(sample_rate * WINDOW_SECONDS / 2))
        self.size = _smooth_even(round(sample_rate * TRANSFORM_SECONDS), at_least=2 * self.reach)

    @cached_property
    def window(self) -> Floats:
        """A Hann window of 25 ms, scaled so that one sound reads alike at every sample rate."""
        window = np.hanning(2 * self.reach + 2)[1:-1]
        scale = np.sqrt((window**2).sum() * self.sample_rate / 16_000)
        return np.asarray(window / scale, np.float32)

    @cached_property
    def filters(self) -> Floats:
        """Triangular filters, shape (bins, bands); each sums to one where it has any bin."""
        edges = _mel_edges()
        bins = np.arange(self._bins)[:, None] * self.sample_rate / self.size
        rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        weights = np.clip(np.minimum(rise, fall), 0, None)
        return np.asarray(weights / np.maximum(weights.sum(axis=0), 1e-9), np.float32)

    @property
    def _bins(self) -> int:
        """Transform bins below the highest band's edge and the Nyquist frequency."""
        return min(self.size // 2 + 1, int(HIGH_HZ * self.size / self.sample_rate) + 2)

    def levels(self, sound: Floats, centres: npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
        """Band levels around sample indices ``centres`` of ``sound``; shape (centres, bands).

        Every window must lie inside ``sound``.
        """
        around = centres[:, None] + np.arange(-self.reach, self.reach)
        spectrum = np.fft.rfft(sound[around] * self.window, self.size, axis=1)[:, : self._bins]
        density = spectrum.real**2 + spectrum.imag**2
        energy = density.astype(np.float32) @ self.filters
        return np.asarray(10 * np.log10(energy + 10 ** (FLOOR_DB / 10)), np.float16)


def _smooth_even(size: int, at_least: int) -> int:
    """The next even size with no prime factor above 5, which transforms fast."""
    size = max(size, at_least)
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and size % 2 == 0:
            return size
        size += 1


def band_levels(blocks: Iterable[Floats], sample_rate: int) -> npt.NDArray[np.float16]:
    """Band levels of the whole sound: shape (steps, bands), steps = ⌊seconds · 100⌋ + 1.

    ``blocks``: mono float32 in −1…1, in order, of any sizes; each is read once.
    Beyond both ends the sound is taken as silent.
    """
    meter = BandMeter(sample_rate)
    pieces = list(_measured(meter, blocks))
    return np.concatenate(pieces) if pieces else np.empty((0, BANDS), np.float16)


def _measured(meter: BandMeter, blocks: Iterable[Floats]) -> Iterator[npt.NDArray[np.float16]]:
    """Levels in pieces as the sound comes in, holding back one window of it."""
    held = np.zeros(meter.reach, np.float32)
    start, step, end = -meter.reach, 0, 0
    for block in blocks:
        end += len(block)
        for piece in _split(block, meter.sample_rate * STEPS_AT_ONCE // STEP_RATE):
            held = np.concatenate([held, piece])
            ready = _centres(step, start + len(held) - meter.reach, meter.sample_rate)
            if len(ready):
                yield meter.levels(held, ready - start)
                step += len(ready)
                keep = _centre(step, meter.sample_rate) - meter.reach
                held, start = held[max(0, keep - start) :], max(start, keep)
    if not end:
        return
    held = np.concatenate([held, np.zeros(2 * meter.reach, np.float32)])
    last = _centres(step, end, meter.sample_rate)
    if len(last):
        yield meter.levels(held, last - start)


def _split(block: Floats, size: int) -> Iterator[Floats]:
    for first in range(0, len(block), max(1, size)):
        yield np.asarray(block[first : first + size], np.float32)


def _centre(step: int, sample_rate: int) -> int:
    return (2 * step * sample_rate + STEP_RATE) // (2 * STEP_RATE)


def _centres(step: int, last: int, sample_rate: int) -> npt.NDArray[np.int64]:
    """Sample indices of steps ``step``, ``step + 1``… whose centre is at most ``last``."""
    count = max(0, (2 * last + 1) * STEP_RATE // (2 * sample_rate) - step + 2)
    centres = (2 * np.arange(step, step + count) * sample_rate + STEP_RATE) // (2 * STEP_RATE)
    return np.asarray(centres[centres <= last], np.int64)
