"""What the mouth does while a sound plays: one value per film frame.

Two listeners agree on it: a small network that knows phonemes, and plain acoustics that
knows none but is never surprised. Everything is measured against the whole film, so that
chunks that are rendered apart still belong together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview import speech_acoustics
from lipsync_kit.engines.preview.curves import Curves
from lipsync_kit.engines.preview.speech_acoustics import smoothstep
from lipsync_kit.engines.preview.speech_bands import STEP_RATE, Floats, band_levels
from lipsync_kit.engines.preview.speech_level import Bands, Reference, reference
from lipsync_kit.engines.preview.speech_model import mouth_model

NETWORK_SHARE = 0.6
WIDE_OPEN = 0.9
"""What the film's widest openings (98th percentile while speaking) are set to."""

LEAST_OPEN = 0.3
"""A film whose widest opening is below this mumbles, and is not blown up to speech."""

PAUSE_STEPS = 14
"""Lips close in gaps of more than 140 ms; in shorter ones they would only flutter."""

PHRASE_STEPS = 300
STRESS_DB = 20.0
"""From a phrase's loudest syllable down to the ones that open the mouth least."""

QUIET_PHRASE_DB = 10.0
"""How far below the film's loud speech a phrase may lie and still count as one."""

FASTEST = 12.0
"""Openings per second that lips reach when they burst open (some 0.2 m/s)."""

DIP_STEPS = 12
"""How far around a closure the voice is looked at, in steps."""


@dataclass(frozen=True, eq=False)
class MouthTrack(Curves):
    """Lips over time: float32 arrays, one value per film frame, for the frame's middle.

    ``opening``: 0…1, the gap between the inner lips; 1 is wide open for speech.
    ``width``: −1 rounded … +1 spread; 0 at rest.
    ``closure``: 0…1, how firmly the lips are pressed: [p], [b], [m], and in pauses.
    ``energy``: 0…1, loudness of the voice, for brows and head.
    """

    opening: Floats
    width: Floats
    closure: Floats
    energy: Floats


def mouth_track(
    blocks: Iterable[Floats], sample_rate: int, frames: int, fps: Fraction
) -> MouthTrack:
    """Follow a film's sound with the lips.

    ``blocks``: the whole sound, mono float32, in order, in blocks of any size; read once.
    ``frames``: how many the film has; where the sound ends earlier, the mouth is closed.
    Keeps some 60 MB per hour of sound.
    """
    bands = band_levels(blocks, sample_rate)
    heard = reference(bands)
    if not heard.heard:
        nothing = np.zeros(frames, np.float32)
        return MouthTrack(nothing, nothing, np.ones(frames, np.float32), nothing)
    return _on_frames(_follow(bands, heard), frames, fps)


@dataclass(frozen=True, eq=False)
class _Steps:
    """The same at 100 Hz; ``opening`` not yet narrowed by ``closure``."""

    opening: Floats
    width: Floats
    closure: Floats
    energy: Floats


def _follow(bands: Bands, heard: Reference) -> _Steps:
    network = mouth_model().follow(bands, heard)
    acoustic, spread = speech_acoustics.follow(bands, heard)
    loudness = np.clip(1 + (heard.levels - heard.loud) / 30, 0, 1.2).astype(np.float32)
    # Pressed lips take at least a few dB off the voice; a "closure" without that dip is an [n].
    dip = _rolling_max(heard.levels, DIP_STEPS) - heard.levels
    pressed = smoothstep(0.35, 0.8, network[:, 2]) * smoothstep(2, 6, dip)
    # Without any level the network may still dream; 30 dB below loud speech is a pause.
    speaking = smoothstep(0.25, 0.7, _smooth(network[:, 3], 7)) * smoothstep(0.02, 0.2, loudness)
    opening = NETWORK_SHARE * _scaled(network[:, 0], speaking)
    opening += (1 - NETWORK_SHARE) * _scaled(acoustic, speaking)
    opening *= (0.3 + 0.7 * _stress(heard)) * speaking
    return _Steps(
        opening=_scaled(_smooth(opening, 7), speaking),
        width=_smooth(np.clip(0.85 * network[:, 1] + 0.15 * spread, -1, 1) * speaking, 11),
        closure=np.maximum(pressed, _paused(speaking)),
        energy=np.clip(_smooth(loudness * speaking, 15), 0, 1),
    )


def _stress(heard: Reference) -> Floats:
    """How loud every step is among its neighbours of a phrase, 0…1.2.

    Mouths open wider for stressed syllables, but not for a phrase that is louder as a whole.
    """
    levels = np.maximum(heard.levels, heard.loud - QUIET_PHRASE_DB)
    phrase = _smooth(_rolling_max(levels, PHRASE_STEPS // 4), PHRASE_STEPS)
    return np.asarray(np.clip(1 + (heard.levels - phrase) / STRESS_DB, 0, 1.2), np.float32)


def _scaled(track: Floats, speaking: Floats) -> Floats:
    """A track with its widest openings brought to one level."""
    voiced = track[speaking > 0.5]
    widest = float(np.percentile(voiced, 98)) if len(voiced) else 1.0
    return np.asarray(np.clip(track, 0, None) * (WIDE_OPEN / max(widest, LEAST_OPEN)), np.float32)


def _paused(speaking: Floats) -> Floats:
    """How far the lips have come together in pauses, 0…1."""
    near = _rolling_max(speaking, PAUSE_STEPS // 2)
    return np.asarray(1 - _smooth(near, 9), np.float32)


def _on_frames(steps: _Steps, frames: int, fps: Fraction) -> MouthTrack:
    """Every track at the middle of every frame; a closure of any length reaches a frame."""
    middles = ((np.arange(frames) + 0.5) / float(fps)) * STEP_RATE
    within = STEP_RATE / float(fps)
    places = np.arange(len(steps.opening))

    def at_middles(track: Floats, beyond: float) -> Floats:
        return np.asarray(np.interp(middles, places, track, right=beyond), np.float32)

    opening = at_middles(_smooth(steps.opening, round(within)), 0)
    closure = at_middles(_rolling_max(steps.closure, round(within / 4)), 1)
    opening = np.clip(_soft_limit(opening) * (1 - closure), 0, 1)
    return MouthTrack(
        opening=_no_faster(opening, FASTEST / float(fps)),
        width=np.clip(at_middles(steps.width, 0), -1, 1),
        closure=np.clip(closure, 0, 1),
        energy=at_middles(steps.energy, 0),
    )


def _no_faster(opening: Floats, most: float) -> Floats:
    """Lower what is more than ``most`` per frame above a neighbour; closures stay closed."""
    if len(opening) == 0:
        return opening
    for distance in range(1, 1 + int(1 / most)):
        padded = np.pad(opening, distance, mode="edge") + distance * most
        earlier, later = padded[: len(opening)], padded[2 * distance :]
        opening = np.minimum(opening, np.minimum(earlier, later))
    return np.asarray(opening, np.float32)


def _soft_limit(opening: Floats) -> Floats:
    """Bend what exceeds 0.8 so that it stays below 1."""
    above = np.clip(opening - 0.8, 0, None)
    return np.asarray(np.minimum(opening, 0.8) + 0.2 * np.tanh(above / 0.2), np.float32)


def _smooth(track: Floats, width: int) -> Floats:
    """Weighted mean over ``width`` steps by a Hann window, without lag; ends repeated."""
    width += 1 - width % 2
    if width < 3:
        return track
    kernel = np.hanning(width + 2)[1:-1].astype(np.float32)
    padded = np.pad(track, width // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid").astype(np.float32)


def _rolling_max(track: Floats, reach: int) -> Floats:
    """The highest value within ``reach`` steps to either side."""
    if reach < 1:
        return track
    padded = np.pad(track, reach, mode="edge")
    windows: npt.NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(
        padded, 2 * reach + 1
    )
    return np.asarray(windows.max(axis=1), np.float32)
