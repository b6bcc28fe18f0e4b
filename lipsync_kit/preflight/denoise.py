"""Cleaning a recording: hum by notches, noise by a model, and nothing where it is clean.

Every denoiser harms clean speech, so each step is taken only where what it removes was
measured. Nothing is shifted and nothing gets lost: sample n of the result is sample n of the
recording, which is asserted by correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lipsync_kit.media.wav import Scratch
from lipsync_kit.preflight.loudness import SILENT, integrated
from lipsync_kit.preflight.sound_filters import DeepFilter, HumFilter
from lipsync_kit.preflight.sound_hearing import WINDOW, Hearing, listen, tallied
from lipsync_kit.preflight.sound_noise import Hum, Noise, estimate_noise, find_hum
from lipsync_kit.progress import Progress, Task
from lipsync_kit.recipe import stage
from lipsync_kit.timing import SAMPLE_RATE

Mode = Literal["auto", "off", "on"]
Channel = npt.NDArray[np.float32]

OTHERS = 1.3
"""dB by which noise varies from which on it is other voices or music."""

_HUM_SECONDS = 4
_HUM_WINDOWS = 30
_AUDIBLE = -35.0  # dB of hum below the whole sound from which it is taken out
_WORTH = 3.0  # dB of better voice over noise below which the model's harm is not worth it
_ALL, _SPARING = 100.0, 24.0
_MOST_LOST = 9.0  # LU that noise alone may have been: it was 9 dB above the voice then


@dataclass(frozen=True)
class Cleaned:
    """What was done: lines (Hz) notched, whether the model ran, and SNRs in dB."""

    hum: tuple[float, ...]
    model: bool
    before: float
    after: float

    @property
    def touched(self) -> bool:
        """Whether any sample may have changed."""
        return self.model or bool(self.hum)

    @property
    def kind(self) -> tuple[bool, bool]:
        """Whether hum was taken out, and whether the model ran."""
        return bool(self.hum), self.model


@stage("audio.denoise", version=1)
class Denoise:
    """Clean the sound when its voice is less than ``below`` dB above the noise.

    ``mode``: ``auto`` by measurement, ``on`` always, ``off`` never.
    """

    mode: Mode = "auto"
    below: float = 15.0

    def hum_of(self, scratch: Scratch, hearing: Hearing) -> Hum:
        """The hum worth taking out of ``scratch``, if any."""
        if self.mode == "off":
            return Hum()
        noise = estimate_noise(hearing.bands, hearing.speech)
        if self.mode == "auto" and noise.whole > -_AUDIBLE:
            return Hum()
        hum = find_hum(_spread(scratch, hearing.best), SAMPLE_RATE)
        return hum if hum.level >= _AUDIBLE else Hum()

    def wants_model(self, noise: Noise) -> bool:
        """Whether the model should run on what is left after the notches."""
        return self.mode == "on" or (self.mode == "auto" and noise.voice < self.below)

    def apply(
        self, scratch: Scratch, hearing: Hearing, folder: Path, progress: Progress
    ) -> tuple[Scratch, Hearing, Cleaned]:
        """The cleaned sound, its hearing, and what was done.

        The cleaned sound is ``scratch`` itself when nothing had to be done. Pauses are heard
        better in the recording as it came, so of the hearing only what describes the samples
        is new.
        """
        return _Cleaning(self, hearing, folder, progress).run(scratch)


def _spread(scratch: Scratch, channel: int) -> Iterator[Channel]:
    """Stretches of 4 s, spread over the sound; none of a sound that is shorter."""
    size = _HUM_SECONDS * SAMPLE_RATE
    last = scratch.samples - size
    if last < 0:
        return
    count = min(_HUM_WINDOWS, 2 * scratch.samples // size)
    starts = np.linspace(0, last, count).astype(int)
    for at in starts:
        yield scratch.part(channel, int(at), int(at) + size)


class _Cleaning:
    def __init__(self, stage: Denoise, hearing: Hearing, folder: Path, progress: Progress) -> None:
        self._stage, self._hearing = stage, hearing
        self._folder, self._progress = folder, progress

    def run(self, scratch: Scratch) -> tuple[Scratch, Hearing, Cleaned]:
        noise = estimate_noise(self._hearing.bands, self._hearing.speech)
        before, hearing, current = noise.voice, self._hearing, scratch
        hum = self._stage.hum_of(scratch, hearing)
        if hum.lines:
            current = self._filtered(
                current, "taking out hum", lambda _: HumFilter(hum.lines), "hum"
            )
            hearing = _heard_again(current, hearing)
            noise = self._listened(current, hearing)
        model = self._stage.wants_model(noise)
        if model:
            quiet = self._modelled(current, noise)
            after = _heard_again(quiet, hearing)
            left = self._listened(quiet, after).voice
            helps = left >= noise.voice + _WORTH and not _voice_taken(hearing, after)
            model = self._stage.mode == "on" or helps
            stale = current if model else quiet
            current, hearing = (quiet, after) if model else (current, hearing)
            if stale is not scratch:
                stale.close()
        left = self._listened(current, hearing).voice if hum.lines or model else before
        return current, hearing, Cleaned(hum.lines, model, round(before, 1), round(left, 1))

    def _modelled(self, source: Scratch, noise: Noise) -> Scratch:
        # Among other voices the model can't tell whose is whose: spare what it would mute.
        limit = _SPARING if noise.steady > OTHERS else _ALL
        return self._filtered(
            source, "denoising", lambda stack: stack.enter_context(DeepFilter(limit)), "clean"
        )

    def _listened(self, scratch: Scratch, hearing: Hearing) -> Noise:
        """The noise that is left; speech is taken to be where it was heard before."""
        best = hearing.best
        loudness = integrated(hearing.energies[[best]])
        if loudness == SILENT:
            return Noise(0.0, 0.0, 0.0)
        heard = listen(scratch, best, float(hearing.offset[best]), loudness)
        return estimate_noise(heard.bands, hearing.speech)

    def _filtered(
        self, source: Scratch, label: str, make: Callable[[ExitStack], Any], name: str
    ) -> Scratch:
        """Every channel of ``source`` through a filter of its own, side by side."""
        target = Scratch(self._folder / f"{name}.f32", source.channels)
        total = source.channels * source.samples / SAMPLE_RATE
        try:
            with self._progress.task(label, total, "s") as task, ThreadPoolExecutor(2) as pool:
                jobs = [
                    pool.submit(_filter_channel, source, target, channel, make, task)
                    for channel in range(source.channels)
                ]
                for job in jobs:
                    job.result()
        except BaseException:
            target.close()
            raise
        return target


def _filter_channel(
    source: Scratch,
    target: Scratch,
    channel: int,
    make: Callable[[ExitStack], Any],
    task: Task,
) -> None:
    def blocks() -> Iterator[Channel]:
        return source.channel(channel, WINDOW)

    lag = _Lag()
    with ExitStack() as stack:
        made = make(stack)
        for start, block in _placed(made.run(blocks, source.samples)):
            lag.compare(source, channel, start, block)
            target.extend(channel, block)
            task.advance(len(block) / SAMPLE_RATE)
    lag.check()


def _placed(blocks: Iterator[Channel]) -> Iterator[tuple[int, Channel]]:
    start = 0
    for block in blocks:
        yield start, block
        start += len(block)


class _Lag:
    """Asserts that a filter shifts nothing, by correlating where its output is loudest."""

    _REACH = 2048
    _SIZE = 2**17

    def __init__(self) -> None:
        self._loudest = 1e-10
        self._lag = 0

    def compare(self, source: Scratch, channel: int, start: int, block: Channel) -> None:
        """Correlate a block with what it was made from, if it is the loudest so far."""
        out = block[: self._SIZE].astype(np.float64)
        power = float(np.mean(out**2)) if len(out) else 0.0
        if power <= 2 * self._loudest or len(out) < 4 * self._REACH:
            return
        raw = source.part(channel, start, start + len(out)).astype(np.float64)
        size = 2 * len(out)
        match = np.fft.irfft(np.fft.rfft(out, size) * np.conj(np.fft.rfft(raw, size)), size)
        near = np.concatenate([match[-self._REACH :], match[: self._REACH + 1]])
        if near.max() < 0.5 * np.sqrt((out**2).sum() * (raw**2).sum()):
            return  # mostly noise was here: what is left is too little to compare
        self._loudest = power
        self._lag = int(np.argmax(near)) - self._REACH

    def check(self) -> None:
        """Fail when the loudest block was shifted."""
        if self._lag:
            raise AssertionError(f"a filter shifted the sound by {self._lag} samples")


def _voice_taken(before: Hearing, after: Hearing) -> bool:
    """Whether a channel lost so much loudness that its voice must have gone with the noise."""
    lost = integrated(before.energies) - integrated(after.energies)
    return lost > _MOST_LOST


def _heard_again(scratch: Scratch, hearing: Hearing) -> Hearing:
    return replace(hearing, **tallied(scratch).figures())
