"""Real speech whose word boundaries are known: recorded prompts joined with known gaps.

The prompts are those of Debian's ``asterisk-core-sounds-en-wav`` (8 kHz, one speaker). Their
own ends are padded with silence; that is measured and belongs to the gap.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
RATE = 48_000

Sound = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Spoken:
    """Mono sound at 48 kHz and the stretches in which a word sounds, in samples, in order."""

    sound: Sound
    words: npt.NDArray[np.int64]

    def in_speech(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of ``samples`` fall into a word, more than 10 ms from its ends."""
        index = np.searchsorted(self.words[:, 0], samples, side="right") - 1
        start, end = self.words[np.maximum(index, 0)].T
        inside = (index >= 0) & (samples > start + RATE // 100) & (samples < end - RATE // 100)
        return np.asarray(inside)


def require_prompts() -> None:
    if not PROMPTS.is_dir():
        sys.exit(f"{PROMPTS} is missing: apt install asterisk-core-sounds-en-wav")


def _words(sound: Sound) -> list[tuple[int, int]]:
    """Stretches of a clean prompt louder than 40 dB below its speech, gaps under 80 ms closed.

    The prompts are studio recordings behind a noise gate, so a level alone tells words from
    rests.
    """
    hop = RATE // 200
    frames = sound[: len(sound) // hop * hop].reshape(-1, hop)
    level = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    loud = level > np.percentile(level, 95) - 40
    edges = np.diff(np.concatenate([[0], loud.astype(int), [0]]))
    spans = [
        (int(a) * hop, int(b) * hop)
        for a, b in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    ]
    words: list[tuple[int, int]] = []
    for start, end in spans:
        if words and start - words[-1][1] < int(0.08 * RATE):
            words[-1] = (words[-1][0], end)
        elif end - start >= int(0.02 * RATE):
            words.append((start, end))
    return words


def _prompts(seed: int) -> Iterator[Sound]:
    rng = np.random.default_rng(seed)
    files = sorted(PROMPTS.rglob("*.wav"))
    while True:
        for index in rng.permutation(len(files)):
            raw, rate = soundfile.read(files[index], dtype="float32")
            sound = soxr.resample(raw, rate, RATE).astype(np.float32)
            if len(sound) > 0.3 * RATE and np.abs(sound).max() > 0.02:
                yield sound


def spoken(
    seconds: float, seed: int = 1, gaps: tuple[float, float] = (0.05, 0.9), noise: float = -72.0
) -> Spoken:
    """About ``seconds`` of prompts with gaps of ``gaps`` seconds over a noise floor in dBFS."""
    rng = np.random.default_rng(seed)
    parts, words, at = [], [], 0
    prompts = _prompts(seed)
    while at < seconds * RATE:
        sound = next(prompts)
        words += [(at + start, at + end) for start, end in _words(sound)]
        gap = int(rng.uniform(*gaps) * RATE)
        parts += [sound, np.zeros(gap, np.float32)]
        at += len(sound) + gap
    count = int(seconds * RATE)
    joined = np.concatenate(parts)[:count]
    for start in range(0, count, 60 * RATE):
        part = joined[start : start + 60 * RATE]
        part += rng.normal(0, 10 ** (noise / 20), len(part)).astype(np.float32)
    kept = [(start, min(end, count)) for start, end in words if start < count]
    return Spoken(joined, np.array(kept, np.int64))


def joined_without_gaps(
    seconds: float, seed: int, noise: float = -72.0
) -> tuple[Sound, npt.NDArray[np.int64]]:
    """Prompts without any silence, and where one ends and the next begins."""
    parts, joins, at = [], [0], 0
    for prompt in _prompts(200 + seed):
        for start, end in _words(prompt):
            parts.append(prompt[start:end])
            at += end - start
            joins.append(at)
        if at >= seconds * RATE:
            break
    joined = np.concatenate(parts)
    rng = np.random.default_rng(seed)
    return joined + rng.normal(0, 10 ** (noise / 20), at).astype(np.float32), np.array(joins)


def white(sound: Sound, ratio: float, seed: int = 9) -> Sound:
    """``sound`` with white noise ``ratio`` dB below its speech."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, len(sound)).astype(np.float32)
    return _mixed(sound, noise, ratio)


def hum(sound: Sound, ratio: float) -> Sound:
    """``sound`` with mains hum of 50 Hz and its overtones ``ratio`` dB below its speech."""
    t = np.arange(len(sound)) / RATE
    noise = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in (1, 2, 3, 4, 5, 7))
    return _mixed(sound, np.asarray(noise, np.float32), ratio)


def babble(sound: Sound, ratio: float, seed: int = 21) -> Sound:
    """``sound`` with six others talking ``ratio`` dB below it."""
    seconds = len(sound) / RATE
    noise = np.zeros(len(sound), np.float32)
    for voice in range(6):
        noise += spoken(seconds, seed + voice, (0.0, 0.1)).sound[: len(sound)]
    return _mixed(sound, noise, ratio)


def _mixed(sound: Sound, noise: Sound, ratio: float) -> Sound:
    level = np.mean(sound[np.abs(sound) > 0.01].astype(np.float64) ** 2)
    scale = np.sqrt(level / np.mean(noise.astype(np.float64) ** 2)) * 10 ** (-ratio / 20)
    mixed = sound + noise * np.float32(scale)
    return (mixed * np.float32(min(1.0, 0.9 / np.abs(mixed).max()))).astype(np.float32)
