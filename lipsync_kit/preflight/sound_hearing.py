"""One pass over a recording: decode, bring to 48 kHz, and hear everything that plans need.

The pass leaves the sound in a scratch file and a :class:`Hearing`, a few megabytes an hour,
from which loudness, cuts and findings follow without decoding again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lipsync_kit.errors import InputError
from lipsync_kit.media.pcm import BLOCK_SECONDS, Block, Resampler, SoundSource, ahead
from lipsync_kit.media.wav import Scratch
from lipsync_kit.preflight.loudness import Energies, Meter, integrated
from lipsync_kit.preflight.sound_noise import TONE_SECONDS, count_tones, quietest_stretches
from lipsync_kit.preflight.sound_prints import Printer
from lipsync_kit.preflight.sound_voice import FRAME_SECONDS, Heard, SecondOpinion, Voice, rests
from lipsync_kit.preflight.sound_voice import SAMPLE_RATE as VOICE_RATE
from lipsync_kit.progress import Task
from lipsync_kit.timing import SAMPLE_RATE

SHORTEST = Fraction(1, 2)
"""Seconds below which a sound is refused."""

WINDOW = BLOCK_SECONDS * SAMPLE_RATE
"""Samples that one entry of ``highest`` and ``lowest`` stands for."""

_SECONDS_A_REST = 10
_FULL_SCALE = np.float32(32766 / 32768)
_FLAT = 3  # samples in a row at the very top: a peak has one, or two
_OFTEN = 5  # flat peaks of one height in a block, below full scale, that are no accident
_AUDIBLE = 0.05


@dataclass(frozen=True)
class Hearing:
    """What was heard in a recording.

    ``samples`` counts 48 kHz samples. ``energies``: see :mod:`.loudness`. ``highest`` and
    ``lowest``: the extreme samples of each channel in every :data:`WINDOW`. ``offset``: each
    channel's mean (DC). ``power``: each channel's mean square; ``cross``: the mean product of
    the two. ``clipped``: samples in clipped peaks, at the source's rate. ``speech``, ``levels``
    and ``bands``: see :class:`.sound_voice.Heard`, of channel ``best``. ``tones``: see
    :func:`.sound_noise.count_tones`. ``print_ends`` and
    ``print_marks``: see :class:`.sound_prints.Prints`; none of a lossy recording, whose
    samples change with every encoding.
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
    bands: npt.NDArray[np.float16]
    tones: float
    print_ends: npt.NDArray[np.int64]
    print_marks: npt.NDArray[np.uint64]

    @property
    def seconds(self) -> float:
        """Length, for people."""
        return self.samples / SAMPLE_RATE

    def only(self, channel: int) -> Hearing:
        """The same of one channel alone."""
        one = [channel]
        return replace(
            self,
            channels=1,
            best=0,
            energies=self.energies[one],
            highest=self.highest[one],
            lowest=self.lowest[one],
            offset=self.offset[one],
            power=self.power[one],
        )

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


class Tally:
    """Sums over the blocks of a sound, and its fingerprints if asked for."""

    def __init__(self, channels: int, *, prints: bool = False) -> None:
        self.meter = Meter(channels)
        self.highest: list[npt.NDArray[np.float32]] = []
        self.lowest: list[npt.NDArray[np.float32]] = []
        self.total = np.zeros(channels)
        self.products = np.zeros((channels, channels))
        self.clipped = 0
        self.samples = 0
        self.printer = Printer(channels) if prints else None

    def source(self, block: Block) -> None:
        """Take in what was decoded, before anything is computed from it."""
        self.clipped += sum(_flattened(channel) for channel in block)
        if self.printer is not None:
            self.printer.feed(block)

    def add(self, block: Block) -> None:
        """Take in a 48 kHz block of exactly :data:`WINDOW` samples, but for the last."""
        self.samples += block.shape[1]
        self.meter.feed(block)
        self.highest.append(block.max(axis=1))
        self.lowest.append(block.min(axis=1))
        self.total += block.sum(axis=1, dtype=np.float64)
        self.products += block @ block.T

    def figures(self) -> dict[str, Any]:
        """The fields of :class:`Hearing` that follow from the samples alone."""
        return {
            "energies": self.meter.energies(),
            "highest": np.stack(self.highest, axis=1).astype(np.float64),
            "lowest": np.stack(self.lowest, axis=1).astype(np.float64),
            "offset": self.total / self.samples,
            "power": np.diag(self.products) / self.samples,
            "cross": float(self.products[0, -1]) / self.samples,
        }


def _flattened(channel: npt.NDArray[np.float32]) -> int:
    """Samples of peaks that were cut off, at full scale or below it by a lower level since."""
    found = 0
    for top, side in ((channel.max(initial=0), channel), (-channel.min(initial=0), -channel)):
        if top < _AUDIBLE:
            continue
        at = np.flatnonzero(side >= min(top, _FULL_SCALE))
        if len(at) < _FLAT:
            continue
        runs = np.diff(np.flatnonzero(np.diff(at, prepend=-2, append=at[-1] + 2) > 1))
        flat = runs[runs >= _FLAT]
        if top >= _FULL_SCALE or len(flat) >= _OFTEN:
            found += int(flat.sum())
    return found


def tallied(scratch: Scratch) -> Tally:
    """Everything that is summed over the sound of ``scratch``."""
    tally = Tally(scratch.channels)
    starts = range(0, scratch.samples, WINDOW)
    for block in ahead(scratch.window(start, start + WINDOW) for start in starts):
        tally.add(block)
    return tally


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


def decode(source: SoundSource, scratch: Scratch, task: Task, tally: Tally | None) -> None:
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
    tally = Tally(source.channels, prints=source.lossless)
    decode(source, scratch, task, tally)
    if scratch.samples < SHORTEST * SAMPLE_RATE:
        raise InputError(
            f"{source.path}: only {scratch.samples / SAMPLE_RATE:.2f} s of sound; "
            f"at least {float(SHORTEST)} s are needed.",
            code="too_short",
            hint="Check the export: it may have been cut off.",
        )
    figures = tally.figures()
    prints = (tally.printer or Printer(source.channels)).finish()
    best = loudest(figures["energies"])
    heard = listen(
        scratch, best, float(figures["offset"][best]), integrated(figures["energies"][[best]])
    )
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
        best=best,
        speech=heard.speech,
        levels=heard.levels,
        bands=heard.bands,
        tones=_tones(scratch, best, heard.levels),
        print_ends=prints.ends,
        print_marks=prints.marks,
        **figures,
    )


def _tones(scratch: Scratch, channel: int, levels: npt.NDArray[np.float32]) -> float:
    size = round(TONE_SECONDS * SAMPLE_RATE)
    starts = [at * SAMPLE_RATE // 100 for at in quietest_stretches(levels)]
    stretches = [scratch.part(channel, start, start + size) for start in starts]
    return count_tones([part for part in stretches if len(part) == size], SAMPLE_RATE)


def loudest(energies: Energies) -> int:
    """The channel with the loudest sound; the first, when they are alike."""
    levels = [integrated(channel[None]) for channel in energies]
    best = int(np.argmax(levels))
    return best if levels[best] > levels[0] + 0.1 else 0


def listen(scratch: Scratch, channel: int, offset: float, loudness: float) -> Heard:
    """Hear one channel of ``scratch``, of mean ``offset`` and ``loudness`` LUFS.

    Where the fast detector hears hardly any rest, a second one is asked: others may be
    talking behind the voice, or music playing.
    """
    known = None if math.isinf(loudness) else loudness
    voice = Voice(known)
    for samples in _at_16k(scratch, channel, offset):
        voice.feed(samples)
    heard = voice.finish()
    few = len(heard.speech) * FRAME_SECONDS / _SECONDS_A_REST
    enough = few < 2 or rests(heard.speech) >= few
    if enough or not SecondOpinion.available():
        return heard
    second = SecondOpinion(known)
    for samples in _at_16k(scratch, channel, offset):
        second.feed(samples)
    speech = second.finish()
    return heard if rests(speech) <= rests(heard.speech) else replace(heard, speech=speech)


def _at_16k(scratch: Scratch, channel: int, offset: float) -> Iterator[npt.NDArray[np.float32]]:
    resampler = Resampler(SAMPLE_RATE, VOICE_RATE, 1)
    for samples in ahead(scratch.channel(channel, WINDOW)):
        yield resampler.feed((samples - np.float32(offset))[None])[0]
    yield resampler.flush()[0]
