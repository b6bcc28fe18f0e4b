"""How loud is loud in this film: levels that later steps measure everything against.

All of it from the whole film, so that every chunk of it sees the same numbers; by
percentiles over the steps with sound in them, so that neither the recording's level, long
silences, nor a door slam move it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.speech_bands import (
    BANDS,
    FLOOR_DB,
    STEP_RATE,
    Floats,
    band_centres,
)

Bands = npt.NDArray[np.float16]

SILENT_DB = -125.0
"""A step whose level is below this holds no recorded sound at all (digital silence)."""

ACTIVE_DB = 30.0
"""Steps within this of the loudest count as active."""

PRIOR_STEPS = 150
"""How many steps of typical speech the film's own average spectrum has to outweigh."""

STEPS_AT_ONCE = 6000
BREATH_STEPS = 2 * STEP_RATE
REACH_BREATHS = 5
QUIET_SPEAKER_DB = 12.0


def step_levels(bands: Bands) -> Floats:
    """Level of every step in dB over 150…5000 Hz, where speech carries and rumble does not."""
    centres = band_centres()
    within = (centres > 150) & (centres < 5000)
    widths = np.gradient(centres)[within]
    levels = np.empty(len(bands), np.float32)
    for first in range(0, len(bands), STEPS_AT_ONCE):
        part = bands[first : first + STEPS_AT_ONCE, within].astype(np.float32)
        power = (10 ** (part / 10)) @ (widths / widths.sum()).astype(np.float32)
        levels[first : first + len(part)] = 10 * np.log10(power + 10 ** (FLOOR_DB / 10))
    return levels


@dataclass(frozen=True)
class Reference:
    """What the film's levels are measured against.

    ``loud``: dB per step, the level of loud speech around there. ``floor``: dB, the level
    that the pauses lie at. ``spectrum``: dB per band, shape (40,), the average of active
    steps. ``noise``: dB per band, shape (40,), what the pauses hold.
    """

    levels: Floats
    loud: Floats
    floor: float
    spectrum: Floats
    noise: Floats

    @property
    def heard(self) -> bool:
        """Whether there is any sound at all."""
        return len(self.levels) > 0 and bool(self.levels.max() > SILENT_DB)


def reference(bands: Bands) -> Reference:
    """Measure a film's band levels, shape (steps, 40)."""
    levels = step_levels(bands)
    sounding = levels > SILENT_DB
    if not sounding.any():
        nothing = np.full(BANDS, SILENT_DB, np.float32)
        return Reference(levels, np.zeros_like(levels), SILENT_DB, nothing, nothing)
    top = float(np.percentile(levels[sounding], 99.5))
    active = levels > top - ACTIVE_DB
    floor = float(np.percentile(levels[sounding], 5))
    quiet = sounding & (levels <= np.percentile(levels[sounding], 10))
    return Reference(
        levels=levels,
        loud=_loud_around(levels, active),
        floor=floor,
        spectrum=_average_spectrum(bands[active]),
        noise=np.median(bands[quiet], axis=0).astype(np.float32),
    )


def _loud_around(levels: Floats, active: npt.NDArray[np.bool_]) -> Floats:
    """Loud speech's level near every step: 90th percentile of active steps within ±10 s.

    A speaker who is quieter than the film's loudest is lifted by at most 12 dB.
    """
    overall = float(np.percentile(levels[active], 90))
    count = -(-len(levels) // BREATH_STEPS)
    breaths = np.full(count, -np.inf)
    for k in range(count):
        part = slice(k * BREATH_STEPS, (k + 1) * BREATH_STEPS)
        if active[part].sum() >= BREATH_STEPS // 10:
            breaths[k] = np.percentile(levels[part][active[part]], 90)
    padded = np.pad(breaths, REACH_BREATHS, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH_BREATHS + 1)
    smooth = np.clip(_mean_of_upper(around), overall - QUIET_SPEAKER_DB, overall + 3)
    smooth[np.isneginf(around).all(axis=1)] = overall
    middles = (np.arange(count) + 0.5) * BREATH_STEPS
    return np.interp(np.arange(len(levels)), middles, smooth).astype(np.float32)


def _mean_of_upper(around: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean of each row's finite values above that row's median."""
    finite = np.where(np.isfinite(around), around, np.nan)
    result = np.full(len(around), -np.inf)
    some = np.isfinite(around).any(axis=1)
    middle = np.nanmedian(finite[some], axis=1, keepdims=True)
    result[some] = np.nanmean(np.where(finite[some] >= middle, finite[some], np.nan), axis=1)
    return result


def _average_spectrum(active: Bands) -> Floats:
    """Average level of each band over active steps, leaning on a typical one when few."""
    mean = active.mean(axis=0, dtype=np.float32)
    present = mean > SILENT_DB
    overall = float(mean[present].mean())
    # Speech falls by about 6 dB an octave above 500 Hz (long-term average, Byrne et al. 1994).
    typical = -6.0 * np.log2(np.maximum(band_centres(), 500) / 500)
    prior = overall + typical - typical[present].mean()
    weight = len(active) / (len(active) + PRIOR_STEPS)
    blend = weight * mean + (1 - weight) * prior
    # Bands beyond the sound's bandwidth never hold anything; nothing there is usual.
    return np.asarray(np.where(present, blend, mean), np.float32)
