"""What is under the voice: music, other voices, a ringing room; and nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.preflight.narrations import Sound, codes, ffmpeg, prepare, write

RATE = 48_000


@pytest.fixture(scope="module")
def voice(narration: Path, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """40 s of the shipped narration, 48 kHz mono."""
    wav = tmp_path_factory.mktemp("voice") / "voice.wav"
    ffmpeg("-i", narration, "-ar", "48000", "-t", "40", "-c:a", "pcm_s24le", wav)
    sound, _ = soundfile.read(wav, dtype="float32")
    return np.asarray(sound, np.float32)


def under(sound: Sound, other: Sound, ratio: float) -> Sound:
    spoken = np.mean(sound[np.abs(sound) > 0.02] ** 2)
    scale = np.sqrt(spoken / np.mean(other**2)) * 10 ** (-ratio / 20)
    return (sound + scale * other).astype(np.float32)


def chords(sound: Sound) -> Sound:
    """Two seconds a chord, plucked, with overtones."""
    rng = np.random.default_rng(4)
    out = np.zeros(len(sound))
    scale = [261.6, 293.7, 329.6, 349.2, 392.0, 440.0, 493.9, 523.3]
    for start in range(0, len(sound), 2 * RATE):
        t = np.arange(min(2 * RATE, len(sound) - start)) / RATE
        for pitch in rng.choice(scale, 4, replace=False):
            for overtone in range(1, 6):
                wave = np.sin(2 * np.pi * pitch * overtone * t) / overtone
                out[start : start + len(t)] += wave * np.exp(-0.7 * t) * np.minimum(1, t / 0.02)
    return out.astype(np.float32)


def crowd(sound: Sound) -> Sound:
    rng = np.random.default_rng(5)
    return np.sum([np.roll(sound, int(rng.integers(len(sound)))) for _ in range(8)], axis=0)


def ringing(sound: Sound, seconds: float) -> Sound:
    rng = np.random.default_rng(6)
    tail = int(seconds * RATE)
    response = rng.normal(0, 1, tail) * np.exp(-6.9 * np.arange(tail) / tail)
    response *= 0.5 / np.sqrt(np.sum(response**2))
    response[0] = 1.0
    size = 1 << (len(sound) + tail).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(response, size)
    return np.fft.irfft(spectrum, size)[: len(sound)].astype(np.float32)


def rumbling(sound: Sound) -> Sound:
    rng = np.random.default_rng(8)
    spectrum = np.fft.rfft(rng.normal(0, 1, len(sound)))
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return np.fft.irfft(spectrum * ((hertz > 20) & (hertz < 70)), len(sound)).astype(np.float32)


WORDS_OF_NOISE = {"music", "babble", "noisy", "reverberant", "rumble", "clipping"}

CASES: dict[str, tuple[Callable[[Sound], Sound], set[str]]] = {
    "clean": (lambda x: x, set()),
    "quiet music": (lambda x: under(x, chords(x), 25), {"music"}),
    "loud music": (lambda x: under(x, chords(x), 10), {"music"}),
    "others talking": (lambda x: under(x, crowd(x), 5), {"babble"}),
    "a ringing hall": (lambda x: ringing(x, 1.5), {"reverberant"}),
    "ten seconds in a hall": (lambda x: ringing(x[: 10 * RATE], 1.5), {"reverberant"}),
    "a lorry outside": (lambda x: under(x, rumbling(x), 3), {"rumble"}),
    "clipped": (lambda x: np.clip(x * 6, -1, 1), {"clipping"}),
    "clipped, then turned down": (lambda x: np.clip(x * 6, -1, 1) * np.float32(0.3), {"clipping"}),
    "a few peaks clipped": (lambda x: np.clip(x, -0.99 * abs(x).max(), 0.99 * abs(x).max()), set()),
    "a furnished room": (lambda x: ringing(x, 0.3), set()),
    "hiss": (
        lambda x: under(x, np.random.default_rng(7).normal(0, 1, len(x)).astype(np.float32), 12),
        {"noisy"},
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_what_is_under_the_voice_is_said(case: str, voice: Sound, tmp_path: Path) -> None:
    make, expected = CASES[case]
    sound = make(voice)
    if "clipped" not in case:
        sound = sound * np.float32(0.5 / np.abs(sound).max())
    narration = prepare(write(tmp_path / "a.wav", sound), tmp_path / "p", denoise="off")
    found = codes(narration) & WORDS_OF_NOISE
    assert found == expected
    for finding in narration.findings:
        if finding.code in WORDS_OF_NOISE:
            assert finding.hint
            assert finding.data


def test_music_is_not_taken_for_hum(voice: Sound, tmp_path: Path) -> None:
    sound = under(voice, chords(voice), 10)
    sound *= np.float32(0.5 / np.abs(sound).max())
    narration = prepare(write(tmp_path / "a.wav", sound), tmp_path / "p")
    assert "music" in codes(narration)
    for finding in narration.findings:
        if finding.code == "denoised":
            assert finding.data["hum_hz"] == []
