"""The master: one gain, a limiter where peaks ask for it, 48 kHz, 24 bits.

The gain is found before anything is written. Only stretches whose peaks come near the ceiling
are limited and weighed again; the rest follows from the energies that were heard. Where
sections are evened out, each has a gain of its own below the one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipsync_kit.media.pcm import Block, ahead
from lipsync_kit.media.wav import MasterReader, MasterWriter, Scratch
from lipsync_kit.preflight.loudness import (
    SILENT,
    STEP,
    Energies,
    Meter,
    integrated,
    loudness_range,
)
from lipsync_kit.preflight.sound_evening import Curve
from lipsync_kit.preflight.sound_hearing import WINDOW, Hearing
from lipsync_kit.preflight.sound_peaks import Limited, decibels, factor, limited, true_peak
from lipsync_kit.progress import Task
from lipsync_kit.recipe import stage
from lipsync_kit.timing import SAMPLE_RATE

CONTEXT = 5 * STEP
"""Samples around a window that limiter and K filter see beside it: 0.5 s."""

OFFSET_HEARD = 0.002
"""Mean of a channel (full scale 1.0) from which it is a DC offset and is taken out."""

_SETTLING = 3 * STEP  # what the K filter needs to forget how it was started
_STAYS = 0.3  # LU by which an edit may move the loudness before the gain follows
_CLOSE = 0.02
_TRIES = 8
_FLATTEST = 0.05  # LU that a dB more must give


@dataclass(frozen=True)
class Levelled:
    """What was done: gain and loudness in dB and LUFS, true peak in dBTP, seconds limited.

    ``copied``: unchanged stretches are those of the master before, to the bit.
    """

    gain: float
    lufs: float
    true_peak: float
    loudness_range: float
    limited_seconds: float
    copied: bool = False


@dataclass(frozen=True)
class Earlier:
    """The master before an edit: its gain in dB, and what of it is copied.

    ``spans``: ``(start, end, shift)`` on the new timeline; what is there now lay ``shift``
    samples earlier then.
    """

    path: Path
    gain: float
    spans: Sequence[tuple[int, int, int]]


@stage("audio.loudness", version=2)
class Loudness:
    """Level to a loudness target without changing length (ITU-R BS.1770-4, EBU R 128).

    ``lufs``: integrated loudness; ``true_peak``: ceiling in dBTP. ``level``: whether speakers
    are evened out.
    """

    lufs: float = -16.0
    true_peak: float = -1.5
    level: bool = False

    def apply(
        self,
        scratch: Scratch,
        hearing: Hearing,
        out: Path,
        task: Task,
        earlier: Earlier | None = None,
        curve: Curve | None = None,
    ) -> Levelled:
        """Write the levelled sound of ``scratch`` to ``out``, a 24-bit WAV.

        ``earlier``: a master whose gain and samples stay where they may. ``curve``: the gains
        that even out speakers.
        """
        leveller = Leveller(scratch, hearing, self.lufs, self.true_peak, curve)
        return leveller.write(out, task, earlier)


class Leveller:
    """Finds the gain for a target and writes the master."""

    def __init__(
        self,
        scratch: Scratch,
        hearing: Hearing,
        lufs: float,
        ceiling: float,
        curve: Curve | None = None,
    ) -> None:
        self._scratch, self._curve = scratch, curve
        self._target, self._ceiling = lufs, factor(ceiling)
        heard = np.abs(hearing.offset) >= OFFSET_HEARD
        self._offset = np.where(heard, hearing.offset, 0.0).astype(np.float32)[:, None]
        extremes = np.maximum(hearing.highest - self._offset, self._offset - hearing.lowest)
        self._peaks = extremes.max(axis=0)
        self._heard = self._without_offset(hearing.energies)
        if curve is not None:
            self._peaks = self._peaks * curve.highest(len(self._peaks), WINDOW)
            self._heard = self._heard * curve.powers(self._heard.shape[1])

    def _without_offset(self, energies: Energies) -> Energies:
        """The K filter ignores a steady offset, but not its jump at the very start."""
        if not self._offset.any():
            return energies
        corrected = energies.copy()
        first = weigh(self._scratch.window(0, WINDOW) - self._offset)
        corrected[:, : first.shape[1]] = first
        return corrected

    def _window(self, index: int, gain: float) -> tuple[Limited, int]:
        """Window ``index`` between its contexts, limited, and where the window itself starts."""
        start = index * WINDOW
        before = min(start, CONTEXT)
        block = self._scratch.window(start - before, start + WINDOW + CONTEXT)
        if self._offset.any():
            block = block - self._offset
        if self._curve is not None:
            block = block * self._curve.factors(start - before, block.shape[1])
        block = block * np.float32(gain)
        loudest = float(self._peaks[max(0, index - 1) : index + 2].max()) * gain
        if loudest < self._ceiling * 0.5:
            return Limited(block, 0.0, np.zeros((0, 2), np.intp)), before
        return limited(block, self._ceiling), before

    def find_gain(self, earlier: float | None = None) -> tuple[float, Energies]:
        """The factor that brings the limited sound to the target, and its energies then.

        ``earlier``: the gain (dB) of the master before, which stays when it is close.
        """
        loudness = integrated(self._heard)
        if loudness == SILENT:
            return 1.0, self._heard
        if earlier is not None:
            energies = self._energies_after(factor(earlier))
            if abs(self._target - integrated(energies)) < _STAYS:
                return factor(earlier), energies
        gain = step = self._target - loudness
        reached, energies = None, self._heard
        for _ in range(_TRIES):
            energies = self._energies_after(factor(gain))
            now = integrated(energies)
            # The more is limited, the less a dB more gives: how much, the last step told.
            slope = 1.0 if reached is None else min(1.0, (now - reached) / step)
            if abs(self._target - now) < _CLOSE or slope < _FLATTEST:
                break  # there, or peaks allow no more
            step, reached = (self._target - now) / slope, now
            gain += step
        return factor(gain), energies

    def _energies_after(self, gain: float) -> Energies:
        energies = self._heard * gain**2
        hot = np.flatnonzero(self._peaks * gain >= self._ceiling * 0.5)
        windows = ((int(index), self._window(int(index), gain)) for index in hot)
        for index, (window, before) in ahead(windows):
            origin = index * WINDOW - before
            for start, end in _weighed_again(window.changed, before, window.block.shape[1]):
                lead = min(start, _SETTLING)
                weighed = weigh(window.block[:, start - lead : end])[:, lead // STEP :]
                first = (origin + start) // STEP
                energies[:, first : first + weighed.shape[1]] = weighed
        return energies

    def _finished(self, gain: float) -> Iterator[tuple[Limited, int]]:
        for index in range(math.ceil(self._scratch.samples / WINDOW)):
            yield self._window(index, gain)

    def write(self, out: Path, task: Task, earlier: Earlier | None = None) -> Levelled:
        """Write the master; its gain is found first."""
        gain, energies = self.find_gain(earlier.gain if earlier else None)
        same = earlier is not None and abs(decibels(gain) - earlier.gain) < 1e-9
        highest, touched, start = 0.0, 0, 0
        with ExitStack() as stack:
            before = stack.enter_context(MasterReader(earlier.path)) if earlier and same else None
            master = stack.enter_context(
                MasterWriter(out, self._scratch.samples, self._scratch.channels)
            )
            for window, lead in ahead(self._finished(gain)):
                block = window.block[:, lead : lead + WINDOW]
                highest = (
                    true_peak(block, highest) if window.peak == 0 else max(highest, window.peak)
                )
                inside = np.clip(window.changed, lead, lead + WINDOW)
                touched += int((inside[:, 1] - inside[:, 0]).sum())
                if earlier and before:
                    block = _copied(block, start, before, earlier.spans)
                master.write(block)
                start += block.shape[1]
                task.advance(block.shape[1] / SAMPLE_RATE)
        return Levelled(
            gain=decibels(gain),
            lufs=integrated(energies),
            true_peak=decibels(highest),
            loudness_range=loudness_range(energies),
            limited_seconds=touched / SAMPLE_RATE,
            copied=before is not None,
        )


def _copied(
    block: Block, start: int, before: MasterReader, spans: Sequence[tuple[int, int, int]]
) -> Block:
    """``block``, which begins at ``start``, with its share of ``spans`` from the master before."""
    out = block
    for first, last, shift in spans:
        low, high = max(first, start), min(last, start + block.shape[1])
        if low < high:
            out = block.copy() if out is block else out
            out[:, low - start : high - start] = before.floats(low - shift, high - shift)
    return out


def weigh(block: Block) -> Energies:
    """The energies of a stretch by itself."""
    meter = Meter(len(block))
    meter.feed(block)
    return meter.energies()


def _weighed_again(
    changed: npt.NDArray[np.intp], before: int, length: int
) -> Iterator[tuple[int, int]]:
    """Whole steps inside the window that ``changed`` stretches touch, joined where they meet.

    Offsets count from the context's start; a step more than was touched, for the K filter
    rings on.
    """
    start = end = before
    last = min(before + WINDOW, length // STEP * STEP)
    for first, stop in changed:
        low = max(before, int(first) // STEP * STEP)
        high = min(last, (-(-int(stop) // STEP) + 1) * STEP)
        if low > end:
            if end > start:
                yield start, end
            start = low
        end = max(end, high)
    if end > start:
        yield start, end
