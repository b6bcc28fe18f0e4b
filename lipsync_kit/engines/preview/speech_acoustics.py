"""The mouth straight from acoustics, in any language and without training.

An open jaw raises the first formant and with it the energy between 400 and 1100 Hz over
that of the voice's fundamental; hiss means teeth together; rounded lips pull the energy of
700 to 3000 Hz down (Fant 1960, "Acoustic theory of speech production"). Cruder than the
network, but it can't be surprised by a voice or a language that the network never heard.
"""

from __future__ import annotations

import numpy as np

from lipsync_kit.engines.preview.speech_bands import Floats, band_centres
from lipsync_kit.engines.preview.speech_level import Bands, Reference

RANGE_DB = 28.0
"""From loud speech down to what does not open the mouth any more."""

TYPICAL_PEAK_DB = 5.0
"""How far loud steps lie above the film's average spectrum."""

STEPS_AT_ONCE = 6000


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def follow(bands: Bands, heard: Reference) -> tuple[Floats, Floats]:
    """Opening (about 0…1) and width (−1…1) of every step, each of shape (steps,)."""
    opening = np.empty(len(bands), np.float32)
    width = np.empty(len(bands), np.float32)
    for first in range(0, len(bands), STEPS_AT_ONCE):
        part = slice(first, first + STEPS_AT_ONCE)
        opening[part], width[part] = _of_part(bands[part], heard, heard.loud[part])
    return opening, width


def _of_part(bands: Bands, heard: Reference, loud: Floats) -> tuple[Floats, Floats]:
    power = _power(bands.astype(np.float32) - heard.spectrum)
    # What the pauses hold is not speech (spectral subtraction, Boll 1979).
    power = np.maximum(power - 1.5 * _power(heard.noise - heard.spectrum), 1e-6)
    jaw = _level(power, 400, 1100)
    voice = _level(power, 80, 350)
    vowel = _level(power, 300, 2500)
    hiss = _level(power, 3500, 7600)
    above = jaw - (loud - np.median(loud)) - TYPICAL_PEAK_DB
    loudness = np.clip(1 + above / RANGE_DB, 0, 1.2)
    open_vowel = np.clip((jaw - voice + 8) / 16, 0, 1)
    hissing = smoothstep(0, 10, hiss - vowel)
    opening = loudness**1.2 * (0.4 + 0.6 * open_vowel) * (1 - 0.75 * hissing)
    spread = np.clip(_level(power, 1700, 3000) - _level(power, 600, 1200), -15, 15) / 12
    width = np.clip(spread, -1, 1) * np.clip(loudness, 0, 1)
    return np.asarray(opening, np.float32), np.asarray(width, np.float32)


def _power(levels: Floats) -> Floats:
    return np.asarray(10 ** (levels / 10), np.float32)


def _level(power: Floats, low: float, high: float) -> Floats:
    centres = band_centres()
    within = (centres >= low) & (centres < high)
    return np.asarray(10 * np.log10(power[:, within].mean(axis=1)), np.float32)
