"""Measures of one clip, in one pass: stillness, black, face, and mouth against its sound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lipsync_kit.postprocess.survey import clip_opened

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Curve = npt.NDArray[np.float64]

CURVE_RATE = 100
"""Samples per second of the curves that mouth and sound are compared as."""

_REACH = 0.5
"""Seconds to either side in which the offset between mouth and sound is looked for."""

_LOOK_SIDE = 960
"""Longest side, in pixels, of the picture that a face is looked for in."""

_LOOKS_PER_SECOND = 12
_SAME = 0.05
"""Luma steps, at a width of 320, up to which two frames are the same picture."""

_BLACK_MEAN, _BLACK_SPREAD = 24.0, 4.0
_WINDOW = 0.1
"""Seconds over which the sound's energy is smoothed."""

_QUIET_DB = -30.0
"""Level, against the loud parts, up to which the sound counts as silence."""

_LOUD_DB = -15.0
_QUIET_MARGIN, _QUIET_LEAST = 0.2, 0.3
"""Seconds: kept from a silence's edges, and what must be left of it."""


@dataclass(frozen=True)
class Measures:
    """What a clip measures.

    ``frozen``: seconds of the longest stretch of one picture; ``black``: black frames.
    ``face``: share of looks in which a face was seen, ``None`` when none was asked for.
    ``correlation``/``offset``: of the mouth's opening with the sound's envelope, at best, and
    by how many seconds the mouth is late there. ``speech_motion``/``silent_motion``: mean
    change of the mouth's opening, in face heights a second; ``None`` where there is too
    little of either.
    """

    frames: int
    rate: Fraction
    frozen: float
    black: int
    face: float | None = None
    correlation: float | None = None
    offset: float | None = None
    speech_motion: float | None = None
    silent_motion: float | None = None

    @property
    def seconds(self) -> float:
        """The clip's length."""
        return float(self.frames / self.rate)


@dataclass(frozen=True)
class Lips:
    """The mouth's opening in face heights at some moments (seconds); NaN without a face."""

    times: Curve
    opening: Curve

    @property
    def seen(self) -> float:
        """Share of the moments at which there was a face."""
        return float(np.isfinite(self.opening).mean()) if len(self.opening) else 0.0


def measure(clip: Path, sound: Path | None, *, face: bool) -> Measures:
    """Measure a clip.

    ``sound``: the WAV that it was made for, from the same moment on; ``face``: whether there
    ought to be one, which costs 10 ms of CPU a look. Raises
    :class:`~lipsync_kit.errors.InputError` when the clip can't be read.
    """
    stillness = _Stillness()
    times: list[float] = []
    opening: list[float] = []
    mouth = Mouth() if face else None
    with clip_opened(clip) as (container, stream):
        rate = stream.average_rate or Fraction(25)
        every = max(1, round(rate / _LOOKS_PER_SECOND))
        first: float | None = None
        for number, frame in enumerate(container.decode(stream)):
            stillness.see(frame)
            moment = float(frame.time or 0)
            first = moment if first is None else first
            if mouth is not None and number % every == 0:
                times.append(moment - first + 0.5 / float(rate))
                opening.append(mouth(frame))
    frozen, black = stillness.longest / float(rate), stillness.black
    if mouth is None:
        return Measures(stillness.frames, rate, frozen, black)
    lips = Lips(np.array(times), np.array(opening))
    if sound is None or lips.seen < 0.5:
        return Measures(stillness.frames, rate, frozen, black, lips.seen)
    return Measures(stillness.frames, rate, frozen, black, lips.seen, *against(lips, sound))


class _Stillness:
    """Counts frames, black ones, and the longest run of one picture."""

    def __init__(self) -> None:
        self.frames = self.black = self.longest = 0
        self._run = 0
        self._last: npt.NDArray[np.float32] | None = None

    def see(self, frame: VideoFrame) -> None:
        import cv2

        luma = frame.to_ndarray(format="gray")
        height, width = luma.shape
        small = cv2.resize(luma, (320, max(2, 320 * height // width)), interpolation=3)
        now = np.asarray(small, np.float32)
        self.frames += 1
        self.black += bool(now.mean() < _BLACK_MEAN and now.std() < _BLACK_SPREAD)
        same = self._last is not None and float(np.abs(now - self._last).mean()) < _SAME
        self._run = self._run + 1 if same else 0
        self.longest = max(self.longest, self._run)
        self._last = now


class Mouth:
    """The mouth's opening of the face in the next frame, NaN without one."""

    def __init__(self) -> None:
        from lipsync_kit.face import FaceTracker

        self._track = FaceTracker()

    def __call__(self, frame: VideoFrame) -> float:
        """The opening in face heights."""
        scale = min(1.0, _LOOK_SIDE / max(frame.width, frame.height))
        size = [max(2, round(side * scale)) for side in (frame.width, frame.height)]
        rgb = frame.reformat(size[0], size[1], "rgb24").to_ndarray()
        found = self._track(np.asarray(rgb, np.uint8))
        return float("nan") if found is None else found.mouth_openness


def against(
    lips: Lips, sound: Path
) -> tuple[float | None, float | None, float | None, float | None]:
    """Correlation, offset, and motion in speech and in silence: the last four measures."""
    envelope = envelope_of(sound)
    curve = _curve(lips, len(envelope))
    loud = np.percentile(envelope, 95) if len(envelope) else 0.0
    if loud <= 0 or len(curve) < 2 * CURVE_RATE:
        return None, None, None, None
    decibels = 20 * np.log10(np.maximum(envelope, loud * 1e-4) / loud)
    length = min(len(curve), len(decibels))
    correlation, offset = best_fit(curve[:length], envelope[:length])
    motion = np.abs(np.gradient(curve[:length])) * CURVE_RATE
    speech = decibels[:length] > _LOUD_DB
    silence = _within_silences(decibels[:length])
    return correlation, offset, _mean(motion, speech), _mean(motion, silence)


def _mean(values: Curve, chosen: npt.NDArray[np.bool_]) -> float | None:
    return float(values[chosen].mean()) if chosen.sum() >= CURVE_RATE else None


def _curve(lips: Lips, length: int) -> Curve:
    """The mouth's opening at the curve rate, gaps bridged."""
    known = np.isfinite(lips.opening)
    end = min(length, int(lips.times[-1] * CURVE_RATE) + 1)
    moments = (np.arange(end) + 0.5) / CURVE_RATE
    return np.interp(moments, lips.times[known], lips.opening[known])


def envelope_of(sound: Path) -> Curve:
    """The amplitude of a WAV at the curve rate: root of its energy under a Hann window."""
    import soundfile

    with soundfile.SoundFile(str(sound)) as file:
        hop = file.samplerate // CURVE_RATE
        energies = [
            np.square(block.mean(axis=1)).reshape(-1, hop).mean(axis=1)
            for block in file.blocks(hop * 512, dtype="float32", always_2d=True, fill_value=0)
        ]
    energy = np.concatenate(energies).astype(np.float64) if energies else np.zeros(0)
    kernel = np.hanning(round(_WINDOW * CURVE_RATE) + 2)[1:-1]
    if len(energy) <= len(kernel):
        return np.sqrt(energy)
    return np.sqrt(np.convolve(energy, kernel / kernel.sum(), mode="same"))


def best_fit(mouth: Curve, sound: Curve) -> tuple[float | None, float | None]:
    """The highest correlation of two curves, and by how many seconds the mouth is late there."""
    if mouth.std() < 1e-6 or sound.std() < 1e-9:
        return None, None
    reach = min(round(_REACH * CURVE_RATE), len(mouth) // 4)
    best, at = -1.0, 0
    for lag in range(-reach, reach + 1):
        later = mouth[max(0, lag) : len(mouth) + min(0, lag)]
        earlier = sound[max(0, -lag) : len(sound) - max(0, lag)]
        if later.std() < 1e-6 or earlier.std() < 1e-9:
            continue
        r = float(np.corrcoef(later, earlier)[0, 1])
        if r > best:
            best, at = r, lag
    return best, at / CURVE_RATE


def _within_silences(decibels: Curve) -> npt.NDArray[np.bool_]:
    """Where the sound is silent, well away from speech."""
    quiet = decibels < _QUIET_DB
    inside = np.zeros(len(quiet), dtype=bool)
    margin, least = round(_QUIET_MARGIN * CURVE_RATE), round(_QUIET_LEAST * CURVE_RATE)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    for start, end in edges.reshape(-1, 2):
        if end - start - 2 * margin >= least:
            inside[start + margin : end - margin] = True
    return inside
