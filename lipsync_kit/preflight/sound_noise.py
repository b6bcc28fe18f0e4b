"""How much of a recording is not the voice: noise, and mains hum with its overtones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.preflight.sound_voice import FRAME_SECONDS, STRIDE_SECONDS

Power = npt.NDArray[np.float64]

_QUIETEST = 0.15
_AROUND = 3
_STANDS_OUT = 10.0
_HIGHEST = 1000.0


@dataclass(frozen=True)
class Noise:
    """Signal-to-noise ratios in dB: ``voice`` from 100 Hz up, ``whole`` with what lies below.

    ``steady``: how little the noise's level varies, its standard deviation in dB.
    """

    voice: float
    whole: float
    steady: float


def estimate_noise(bands: npt.NDArray[np.float16], speech: npt.NDArray[np.float32]) -> Noise:
    """The noise under a voice, from what is left when it rests.

    ``bands``/``speech``: see :class:`.sound_voice.Heard`. Where the detector hears no rest
    (others talk, music plays, the speaker never pauses), the quietest 15 % stand for it.
    """
    power: Power = 10 ** (bands.astype(np.float64) / 10)
    voiced = _voiced(speech, len(power))
    rests = ~_widened(voiced, _AROUND)
    if np.count_nonzero(rests) * STRIDE_SECONDS < 0.5:
        level = power[:, 1:].sum(axis=1)
        rests = level <= np.quantile(level, _QUIETEST)
    if not voiced.any():
        voiced = ~rests
    noise = power[rests].mean(axis=0)
    voice = np.maximum(power[voiced].mean(axis=0) - noise, 0) if voiced.any() else 0 * noise
    levels = 10 * np.log10(power[rests][:, 1:].sum(axis=1) + 1e-12)
    return Noise(
        voice=_ratio(voice[1:], noise[1:]),
        whole=_ratio(voice, noise),
        steady=float(levels.std()),
    )


def _voiced(speech: npt.NDArray[np.float32], rows: int) -> npt.NDArray[np.bool_]:
    middles = (np.arange(rows) + 0.8) * STRIDE_SECONDS
    heard_at = (np.arange(len(speech)) - 0.5) * FRAME_SECONDS
    return np.asarray(np.interp(middles, heard_at, speech) > 0.5)


def _widened(flags: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.convolve(flags, np.ones(2 * reach + 1), "same") > 0.5)


def _ratio(voice: Power, noise: Power) -> float:
    return float(np.clip(10 * np.log10((voice.sum() + 1e-15) / (noise.sum() + 1e-12)), -30, 90))


@dataclass(frozen=True)
class Hum:
    """Mains hum: its lines in Hz and their power in dB below the whole sound's."""

    lines: tuple[float, ...] = ()
    level: float = -200.0


def find_hum(windows: list[npt.NDArray[np.float32]], sample_rate: int) -> Hum:
    """Mains hum in a sound of which ``windows`` are stretches of 4 s, spread over it.

    A line is hum when it is there in most of them, stands 10 dB above its surroundings, and
    is a multiple of 50 or 60 Hz. One line alone may be anything else.
    """
    if not windows:
        return Hum()
    size = len(windows[0])
    kept = _bin(_HIGHEST + 20, size, sample_rate)
    hann = np.hanning(size)
    spectra = [np.abs(np.fft.rfft(window * hann)[:kept]) for window in windows]
    amplitudes = np.median(spectra, axis=0) / hann.sum() * 2
    levels = 20 * np.log10(amplitudes + 1e-9)
    found: list[list[int]] = []
    for mains in (50.0, 60.0):
        multiples = [mains * k for k in range(1, int(_HIGHEST / mains) + 1)]
        peaks = (_line_near(levels, line, size, sample_rate) for line in multiples)
        found.append([peak for peak in peaks if peak is not None])
    lines = max(found, key=len)
    if len(lines) < 2:
        return Hum()
    power = float(np.mean([np.mean(window.astype(np.float64) ** 2) for window in windows]))
    level = 10 * np.log10(np.sum(amplitudes[lines] ** 2) / 2 / max(power, 1e-12) + 1e-20)
    return Hum(tuple(line * sample_rate / size for line in lines), float(level))


def _bin(hertz: float, size: int, sample_rate: int) -> int:
    return round(hertz * size / sample_rate)


def _line_near(levels: Power, hertz: float, size: int, sample_rate: int) -> int | None:
    """The bin of a line within 0.5 Hz or 0.4 % of ``hertz``, or ``None``."""
    centre = _bin(hertz, size, sample_rate)
    reach = max(2, _bin(max(0.5, hertz * 0.004), size, sample_rate))
    peak = centre - reach + int(np.argmax(levels[centre - reach : centre + reach + 1]))
    if levels[peak] < max(levels[peak - 1], levels[peak + 1]):
        return None  # the slope of something beside it
    aside, gap = _bin(6, size, sample_rate), _bin(2, size, sample_rate)
    around = np.concatenate(
        [levels[max(1, peak - aside) : peak - gap], levels[peak + gap : peak + aside]]
    )
    return peak if levels[peak] - np.median(around) >= _STANDS_OUT else None
