"""How the head and the eyes live while the mouth speaks.

Everything is a function of the frame's place in the whole film and of the seed, so a chunk
that is rendered alone, or first, or twice, fits its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.engines.preview.speech import MouthTrack

F64 = npt.NDArray[np.float64]

_WIDEST: Final = 0.10  # face heights between the lips at an opening of 1

# Slow sways: (amplitude, period in seconds) of three waves that never repeat together.
_YAW: Final = ((0.030, 8.3), (0.013, 4.7), (0.005, 2.3))  # radians
_PITCH: Final = ((0.014, 6.7), (0.007, 3.7), (0.003, 1.9))
_ROLL: Final = ((0.012, 9.7), (0.006, 5.3), (0.002, 2.9))
_SHIFT: Final = ((0.006, 11.3), (0.003, 5.9))  # face heights
_BREATH: Final = 4.1  # seconds

_BLINK_EVERY: Final = 3.6  # seconds, on average
_CLOSING: Final = 0.10
_CLOSED: Final = 0.04
_OPENING: Final = 0.20
_GLANCE_EVERY: Final = 1.9


@dataclass(frozen=True, eq=False)
class Motion:
    """The poses of a film, frame by frame."""

    track: MouthTrack
    fps: Fraction
    seed: int

    def poses(self, first: int, frames: int) -> list[Pose]:
        """The poses of frames [first, first + frames) of the film."""
        n = np.arange(first, first + frames)
        t = n / float(self.fps)
        at = np.clip(n, 0, len(self.track) - 1)
        lift = self._emphasis[at]
        yaw = self._sway("yaw", _YAW, t)
        pitch = self._sway("pitch", _PITCH, t) + 0.05 * lift
        glance_x, glance_y = self._glances(t)
        breath = np.sin(2 * np.pi * t / _BREATH)
        voiced = smoothstep(0.05, 0.2, self.track.energy[at])
        values: dict[str, F64] = {
            "yaw": yaw,
            "pitch": pitch,
            "roll": self._sway("roll", _ROLL, t),
            "x": self._sway("x", _SHIFT, t),
            "y": self._sway("y", _SHIFT, t) - 0.003 * breath,
            "zoom": 0.003 * breath + self._sway("zoom", _SHIFT, t),
            "gap": _WIDEST * self.track.opening[at].astype(np.float64),
            "width": self.track.width[at].astype(np.float64),
            "press": smoothstep(0.5, 1, self.track.closure[at]) * voiced,
            "brow": np.clip(3 * lift, 0, 1),
            "blink": self._blinks(t),
            # The eyes stay with the viewer while the head turns: they turn back.
            "gaze_x": glance_x - 0.4 * yaw,
            "gaze_y": glance_y + 0.4 * pitch,
        }
        return [Pose(**{k: float(v[i]) for k, v in values.items()}) for i in range(frames)]

    @cached_property
    def _emphasis(self) -> F64:
        """How much louder each frame is than the seconds around it; about −0.3 to 0.3."""
        energy = self.track.energy.astype(np.float64)
        rate = float(self.fps)
        return _smooth(energy, 0.22 * rate) - _smooth(energy, 0.9 * rate)

    def _random(self, *what: int) -> np.random.Generator:
        return np.random.default_rng((abs(self.seed), *what))

    def _sway(self, name: str, waves: tuple[tuple[float, float], ...], t: F64) -> F64:
        phases = self._random(1, *name.encode()).uniform(0, 2 * np.pi, len(waves))
        sums = [a * np.sin(2 * np.pi * t / p + q) for (a, p), q in zip(waves, phases, strict=True)]
        return np.asarray(np.sum(sums, axis=0))

    def _blinks(self, t: F64) -> F64:
        """Closure of the lids, 0 to 1."""
        closed = np.zeros_like(t)
        for slot in _slots(t, _BLINK_EVERY, 1):
            if slot < 0:
                continue
            random = self._random(2, slot)
            start = (slot + random.uniform(0.2, 0.8)) * _BLINK_EVERY
            since = t - start
            lid = smoothstep(0, _CLOSING, since)
            lid = lid * (1 - smoothstep(0, _OPENING, since - _CLOSING - _CLOSED))
            closed = np.maximum(closed, random.uniform(0.92, 1.0) * lid)
        return closed

    def _glances(self, t: F64) -> tuple[F64, F64]:
        """Small darts of the eyes, in eye widths."""
        x, y = np.zeros_like(t), np.zeros_like(t)
        for slot in _slots(t, _GLANCE_EVERY, 1):
            random, before = self._random(3, slot + 1000), self._random(3, slot + 999)
            here, there = (r.uniform(-1, 1, 3) for r in (random, before))
            start = (slot + 0.5 + 0.35 * here[2]) * _GLANCE_EVERY
            jump = smoothstep(0, 0.08, t - start)
            x += 0.022 * jump * (here[0] - there[0])
            y += 0.010 * jump * (here[1] - there[1])
        first = _slots(t, _GLANCE_EVERY, 1)[0]
        base = self._random(3, first + 999).uniform(-1, 1, 3)
        return x + 0.022 * base[0], y + 0.010 * base[1]


def _slots(t: F64, length: float, margin: int) -> range:
    """Slots of `length` seconds that reach the times `t`, with `margin` more on both sides."""
    return range(int(t[0] // length) - margin, int(t[-1] // length) + 1 + margin)


def _smooth(values: F64, sigma: float) -> F64:
    """Gaussian mean over frames; the ends go on."""
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(values, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
