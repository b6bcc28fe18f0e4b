"""A voice made of formulas: a glottal buzz through formants, so that tests know the phonemes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FORMANTS = {
    "a": ((750, 90), (1200, 110), (2600, 160), (3500, 250)),
    "e": ((450, 70), (1900, 110), (2500, 160), (3500, 250)),
    "i": ((280, 60), (2300, 120), (3000, 180), (3600, 250)),
    "u": ((300, 60), (750, 90), (2300, 160), (3300, 250)),
    "m": ((250, 60), (1000, 300), (2200, 300), (3300, 300)),
}
LOUDNESS = {"a": 1.0, "e": 0.8, "i": 0.55, "u": 0.5, "m": 0.18}


def say(sounds: list[tuple[str, float]], sample_rate: int = 48_000, pitch: float = 120) -> Floats:
    """Phonemes and their seconds → sound. ``_`` is silence, ``s`` a hiss, ``p`` a closed stop."""
    parts = [_one(sound, seconds, sample_rate, pitch) for sound, seconds in sounds]
    return np.concatenate(parts)


def _one(sound: str, seconds: float, sample_rate: int, pitch: float) -> Floats:
    count = round(seconds * sample_rate)
    if sound in "_p":
        return np.zeros(count, np.float32)
    time = np.arange(count) / sample_rate
    if sound == "s":
        hiss = np.diff(np.random.default_rng(1).normal(0, 0.05, count + 1))
        return (hiss * _faded(count, sample_rate)).astype(np.float32)
    harmonics = np.arange(1, int(min(5000, sample_rate / 2 - 200) / pitch))
    spectrum = harmonics**-1.2 * _resonance(harmonics * pitch, FORMANTS[sound])
    glide = 2 * np.pi * pitch * (time + 0.004 * np.sin(2 * np.pi * 3 * time))
    wave = (spectrum[:, None] * np.sin(harmonics[:, None] * glide)).sum(axis=0)
    wave += 0.01 * np.abs(wave).max() * np.random.default_rng(0).normal(0, 1, count)  # breath
    level = 0.25 * LOUDNESS[sound] / max(float(np.abs(wave).max()), 1e-9)
    return (wave * level * _faded(count, sample_rate)).astype(np.float32)


def _resonance(hertz: npt.NDArray[np.float64], formants: tuple[tuple[int, int], ...]) -> Floats:
    gain = np.ones(len(hertz))
    for centre, width in formants:
        gain *= centre**2 / np.hypot(centre**2 - hertz**2, width * hertz)
    return gain.astype(np.float32)


def _faded(count: int, sample_rate: int, seconds: float = 0.012) -> Floats:
    edge = min(count // 2, round(seconds * sample_rate))
    fade = np.ones(count, np.float32)
    fade[:edge] = np.linspace(0, 1, edge, endpoint=False)
    fade[count - edge :] = fade[:edge][::-1]
    return fade


SENTENCE = [
    ("_", 0.4), ("a", 0.2), ("m", 0.09), ("i", 0.16), ("s", 0.1), ("e", 0.18), ("p", 0.08),
    ("a", 0.22), ("_", 0.5), ("u", 0.18), ("m", 0.08), ("a", 0.2), ("s", 0.12), ("i", 0.16),
    ("p", 0.09), ("e", 0.2), ("m", 0.1), ("u", 0.16), ("a", 0.25), ("_", 0.6),
]  # fmt: skip
"""Eight syllables with two pauses between and around them."""
