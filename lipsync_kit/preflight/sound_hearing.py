"""One pass over a recording: decode, bring to 48 kHz, and hear everything that plans need.

The pass leaves the sound in a scratch file and a :class:`Hearing`, a few megabytes an hour,
from which loudness, cuts and findings follow without decoding again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lipsync_kit.errors import InputError
from lipsync_kit.media.pcm import BLOCK_SECONDS, Block, Resampler, SoundSource, ahead
from lipsync_kit.media.wav import Scratch
from lipsync_kit.preflight.loudness import Energies, Meter, integrated
from lipsync_kit.preflight.sound_voice import Voice
from lipsync_kit.progress import Task
from lipsync_kit.timing import SAMPLE_RATE

SHORTEST = Fraction(1, 2)
"""Seconds below which a sound is refused."""

WINDOW = BLOCK_SECONDS * SAMPLE_RATE
"""Samples that one entry of ``highest`` and ``lowest`` stands for."""

_FULL_SCALE = np.float32(32766 / 32768)


@dataclass(frozen=True)
class Hearing:
    """What was heard in a recording.

    ``samples`` counts 48 kHz samples. ``energies``: see :mod:`.loudness`. ``highest`` and
    ``lowest``: the extreme samples of each channel in windows of 10 s. ``offset``: each
    channel's mean (DC). ``power``: each channel's mean square; ``cross``: the mean product of
    the two. ``clipped``: samples at full scale, at the source's rate. ``speech``: probability
    of speech per 16 ms and ``levels``: dB per 10 ms, both of channel ``best``.
    """

    codec: str
    lossless: bool
    sample_rate: int
    source_channels: int
    channels: int
    claimed: float
    damaged: int
    filled: int
    samples: int
    clipped: int
    cross: float
    best: int
    energies: Energies
    highest: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    power: npt.NDArray[np.float64]
    speech: npt.NDArray[np.float32]
    levels: npt.NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """Length, for people."""
        return self.samples / SAMPLE_RATE

    def save(self, path: Path) -> None:
        """Write it as ``.npz``."""
        with path.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Hearing:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            values: dict[str, Any] = {
                name: stored[name] if stored[name].ndim else stored[name].item()
                for name in stored.files
            }
        return cls(**values)


class _Tally:
    """Sums over the decoded blocks."""

    def __init__(self, channels: int) -> None:
        self.meter = Meter(channels)
        self.highest: list[npt.NDArray[np.float32]] = []
        self.lowest: list[npt.NDArray[np.float32]] = []
        self.total = np.zeros(channels)
        self.products = np.zeros((channels, channels))
        self.clipped = 0
        self._window: list[Block] = []
        self._held = 0

    def source(self, block: Block) -> None:
        """Count samples at full scale before anything is computed from them."""
        if max(block.max(initial=0.0), -block.min(initial=0.0)) >= _FULL_SCALE:
            self.clipped += int(np.count_nonzero(np.abs(block) >= _FULL_SCALE))

    def add(self, block: Block) -> None:
        """Take in a 48 kHz block of exactly :data:`WINDOW` samples, but for the last."""
        self.meter.feed(block)
        self.highest.append(block.max(axis=1))
        self.lowest.append(block.min(axis=1))
        self.total += block.sum(axis=1, dtype=np.float64)
        self.products += block @ block.T


class _Windows:
    """Cuts a stream of blocks into windows of :data:`WINDOW` samples."""

    def __init__(self) -> None:
        self._parts: list[Block] = []
        self._held = 0

    def feed(self, block: Block) -> list[Block]:
        self._parts.append(block)
        self._held += block.shape[1]
        if self._held < WINDOW:
            return []
        joined = np.concatenate(self._parts, axis=1) if len(self._parts) > 1 else block
        whole = joined.shape[1] // WINDOW * WINDOW
        self._parts, self._held = [joined[:, whole:].copy()], joined.shape[1] - whole
        return np.split(joined[:, :whole], whole // WINDOW, axis=1)

    def rest(self) -> list[Block]:
        joined = np.concatenate(self._parts, axis=1)
        return [joined] if joined.shape[1] else []


def decode(source: SoundSource, scratch: Scratch, task: Task, tally: _Tally | None) -> None:
    """Decode ``source`` into ``scratch`` at 48 kHz, tallied on the way."""
    resampler = Resampler(source.sample_rate, SAMPLE_RATE, source.channels)
    windows = _Windows()

    def take(ready: list[Block]) -> None:
        for window in ready:
            scratch.append(window)
            if tally is not None:
                tally.add(window)

    for block in ahead(source.blocks()):
        if tally is not None:
            tally.source(block)
        take(windows.feed(resampler.feed(block)))
        task.advance(block.shape[1] / source.sample_rate)
    take(windows.feed(resampler.flush()))
    take(windows.rest())


def hear(source: SoundSource, scratch: Scratch, task: Task) -> Hearing:
    """Decode once into ``scratch`` and hear it.

    Raises :class:`~lipsync_kit.errors.InputError` for less than half a second.
    """
    tally = _Tally(source.channels)
    decode(source, scratch, task, tally)
    if scratch.samples < SHORTEST * SAMPLE_RATE:
        raise InputError(
            f"{source.path}: only {scratch.samples / SAMPLE_RATE:.2f} s of sound; "
            f"at least {float(SHORTEST)} s are needed.",
            code="too_short",
            hint="Check the export: it may have been cut off.",
        )
    energies = tally.meter.energies()
    best = loudest(energies, scratch)
    offset = tally.total / scratch.samples
    speech, levels = listen(scratch, best, float(offset[best]), energies)
    return Hearing(
        codec=source.codec,
        lossless=source.lossless,
        sample_rate=source.sample_rate,
        source_channels=source.source_channels,
        channels=source.channels,
        claimed=float(source.claimed or 0),
        damaged=source.damaged,
        filled=source.filled,
        samples=scratch.samples,
        clipped=tally.clipped,
        cross=float(tally.products[0, -1]) / scratch.samples,
        best=best,
        energies=energies,
        highest=np.stack(tally.highest, axis=1).astype(np.float64),
        lowest=np.stack(tally.lowest, axis=1).astype(np.float64),
        offset=offset,
        power=np.diag(tally.products) / scratch.samples,
        speech=speech,
        levels=levels,
    )


def loudest(energies: Energies, scratch: Scratch) -> int:
    """The channel with the loudest sound; the first, when they are alike."""
    levels = [integrated(energies[[channel]]) for channel in range(scratch.channels)]
    best = int(np.argmax(levels))
    return best if levels[best] > levels[0] + 0.1 else 0


def listen(
    scratch: Scratch, channel: int, offset: float, energies: Energies
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Speech probability per 16 ms and level per 10 ms of one channel of ``scratch``."""
    loudness = integrated(energies[[channel]])
    voice = Voice(0.0 if math.isinf(loudness) else loudness)
    to_16k = Resampler(SAMPLE_RATE, Voice.SAMPLE_RATE, 1)
    for samples in ahead(scratch.channel(channel, WINDOW)):
        voice.feed(to_16k.feed((samples - np.float32(offset))[None])[0])
    voice.feed(to_16k.flush()[0])
    return voice.finish()
