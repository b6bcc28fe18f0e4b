"""How much of a recording is not the voice: noise, and mains hum with its overtones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.preflight.sound_voice import FRAME_SECONDS, STRIDE_SECONDS

Power = npt.NDArray[np.float64]

_QUIETEST = 0.15
_AROUND = 3
_STANDS_OUT = 10.0
_HIGHEST = 1000.0
_LOWEST = 4
_TONE = 15.0
_ROWS = 8192  # rows of bands worked on at once: an hour has 180,000


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
    level = _summed(bands)
    voiced = _voiced(speech, len(bands))
    rests = ~_widened(voiced, _AROUND)
    if np.count_nonzero(rests) * STRIDE_SECONDS < 0.5:
        rests = level <= np.quantile(level, _QUIETEST)
    if not voiced.any():
        voiced = ~rests
    noise = _mean_power(bands, rests)
    voice = np.maximum(_mean_power(bands, voiced) - noise, 0)
    return Noise(
        voice=_ratio(voice[1:], noise[1:]),
        whole=_ratio(voice, noise),
        steady=float((10 * np.log10(level[rests] + 1e-12)).std()),
    )


def _summed(bands: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """The power of every row from 100 Hz up."""
    parts = [
        _powers(bands[start : start + _ROWS])[:, 1:].sum(axis=1)
        for start in range(0, len(bands), _ROWS)
    ]
    return np.concatenate(parts)


def _powers(bands: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    return np.power(np.float32(10), bands.astype(np.float32) / 10, dtype=np.float32)


def _mean_power(bands: npt.NDArray[np.float16], rows: npt.NDArray[np.bool_]) -> Power:
    """The mean power of every band over some rows; zero over none."""
    total = np.zeros(bands.shape[1])
    for start in range(0, len(bands), _ROWS):
        some = bands[start : start + _ROWS][rows[start : start + _ROWS]]
        total += _powers(some).sum(axis=0, dtype=np.float64)
    return total / max(1, int(np.count_nonzero(rows)))


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


def find_hum(windows: Iterable[npt.NDArray[np.float32]], sample_rate: int) -> Hum:
    """Mains hum in a sound of which ``windows`` are stretches of 4 s, spread over it.

    A line is hum when it is there in most of them, stands 10 dB above its surroundings, and
    is a multiple of 50 or 60 Hz, the lowest a small one. One line alone may be anything else,
    and so may high ones: an F and its overtones lie near multiples of 50 Hz too.
    """
    spectra: list[Power] = []
    powers: list[float] = []
    size = 0
    for window in windows:
        size = len(window)
        kept = _bin(_HIGHEST + 20, size, sample_rate)
        hann = np.hanning(size).astype(np.float32)
        spectra.append(np.abs(np.fft.rfft(window * hann)[:kept]) / float(hann.sum()) * 2)
        powers.append(float(np.mean(window.astype(np.float64) ** 2)))
    if not spectra:
        return Hum()
    amplitudes = np.median(spectra, axis=0)
    levels = 20 * np.log10(amplitudes + 1e-9)
    found: list[list[int]] = []
    for mains in (50.0, 60.0):
        multiples = [mains * k for k in range(1, int(_HIGHEST / mains) + 1)]
        peaks = [_line_near(levels, line, size, sample_rate) for line in multiples]
        low = any(peak is not None for peak in peaks[:_LOWEST])
        found.append([peak for peak in peaks if peak is not None and low])
    lines = max(found, key=len)
    if len(lines) < 2:
        return Hum()
    power = max(float(np.mean(powers)), 1e-12)
    level = 10 * np.log10(np.sum(amplitudes[lines] ** 2) / 2 / power + 1e-20)
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


TONE_SECONDS = 0.5
"""Length of the stretches in which :func:`count_tones` looks for music."""


def quietest_stretches(levels: npt.NDArray[np.float32], most: int = 40) -> list[int]:
    """Where the quietest stretches of half a second begin, in hops of 10 ms."""
    size = round(TONE_SECONDS * 100)
    count = len(levels) // size
    power = 10 ** (levels[: count * size].reshape(count, size).astype(np.float64) / 10)
    order = np.argsort(power.mean(axis=1), kind="stable")
    return [int(at) * size for at in order[: max(4, min(most, count // 4))]]


def count_tones(stretches: list[npt.NDArray[np.float32]], sample_rate: int) -> float:
    """How many tones sound at once, on average, in ``stretches`` where nobody speaks.

    A tone is a peak of the spectrum between 400 Hz and 4 kHz that stands 15 dB out and is
    there in three windows in a row. Music has several, rooms and crowds have none; mains hum
    lies lower.
    """
    size = 8192 * sample_rate // 48_000
    low, high = _bin(400, size, sample_rate), _bin(4000, size, sample_rate)
    hann = np.hanning(size)
    counts = []
    for stretch in stretches:
        starts = np.linspace(0, len(stretch) - size, 3).astype(int)
        if starts[-1] <= 0:
            continue
        peaks = [_peaks(stretch[at : at + size] * hann, low, high) for at in starts]
        counts.append(np.count_nonzero(_beside(_beside(peaks[0], peaks[1]), peaks[2])))
    return float(np.mean(counts)) if counts else 0.0


def _peaks(windowed: npt.NDArray[np.float64], low: int, high: int) -> npt.NDArray[np.bool_]:
    levels = 20 * np.log10(np.abs(np.fft.rfft(windowed)) + 1e-9)
    reach = 25
    around = np.lib.stride_tricks.sliding_window_view(
        levels[low - reach : high + reach], 2 * reach + 1
    )
    inside = levels[low:high]
    highest = (inside >= levels[low - 1 : high - 1]) & (inside >= levels[low + 1 : high + 1])
    return np.asarray(highest & (inside > np.median(around, axis=1) + _TONE))


def _beside(peaks: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Peaks that ``others`` have too, within a bin."""
    return peaks & (others | np.roll(others, 1) | np.roll(others, -1))


def fall_rate(
    levels: npt.NDArray[np.float32], floor: npt.NDArray[np.float32], speech: npt.NDArray[np.float32]
) -> float | None:
    """How fast the voice falls silent where it does fastest, in dB a second.

    A room of reverberation time T lets nothing fall faster than 60 / T. The 90th percentile
    of all steady falls over 150 ms, well above the floor; ``None`` when there are too few.
    All three are per 10 ms.
    """
    span = 15
    if len(levels) <= span:
        return None
    falls = (levels[:-span] - levels[span:]) / (span / 100)
    kept = (levels[span:] > floor[span:] + 8) & (levels[:-span] > speech[:-span] - 20)
    for step in range(0, span, 3):
        kept &= (
            levels[step : len(levels) - span + step]
            > levels[step + 3 : len(levels) - span + step + 3]
        )
    steady = falls[kept]
    return float(np.percentile(steady, 90)) if len(steady) >= 60 else None
