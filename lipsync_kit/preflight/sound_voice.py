"""Where somebody speaks: a voice detector's probabilities and short-time levels, at 16 kHz."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

_FRAME = 256
_HOP = 160
_REFERENCE = -23.0
_PRE_EMPHASIS = np.float32(0.97)


class Voice:
    """Hears one channel at 16 kHz, whose loudness (LUFS) was measured before.

    The detector is trained on speech of ordinary level, so the sound is brought there first:
    of a recording at -40 LUFS it would miss most.
    """

    SAMPLE_RATE: ClassVar[int] = 16_000
    FRAME_SECONDS: ClassVar[float] = _FRAME / 16_000
    HOP_SECONDS: ClassVar[float] = _HOP / 16_000

    def __init__(self, loudness: float) -> None:
        from earshot import Detector

        self._detector = Detector()
        self._gain = np.float32(10 ** ((_REFERENCE - loudness) / 20) if loudness else 1.0)
        self._frames = np.zeros(0, np.float32)
        self._hops = np.zeros(0, np.float32)
        self._last = np.float32(0)
        self._speech: list[npt.NDArray[np.float32]] = []
        self._powers: list[npt.NDArray[np.float32]] = []

    def feed(self, samples: npt.NDArray[np.float32]) -> None:
        """Hear the next samples."""
        if not len(samples):
            return
        louder = samples * self._gain
        self._detect(louder)
        self._measure(louder)

    def _detect(self, samples: npt.NDArray[np.float32]) -> None:
        joined = np.concatenate([self._frames, samples])
        whole = len(joined) // _FRAME * _FRAME
        self._frames = joined[whole:]
        frames = np.clip(joined[:whole] * 32767, -32768, 32767).astype(np.int16)
        found = [self._detector.predict_i16(frame) for frame in frames.reshape(-1, _FRAME)]
        self._speech.append(np.array(found, np.float32))

    def _measure(self, samples: npt.NDArray[np.float32]) -> None:
        # Pre-emphasis: hum and rumble count little, the hiss of s and f, where words end, much.
        shifted = np.concatenate([[self._last], samples[:-1]])
        self._last = samples[-1]
        joined = np.concatenate([self._hops, samples - _PRE_EMPHASIS * shifted])
        whole = len(joined) // _HOP * _HOP
        self._hops = joined[whole:]
        hops = joined[:whole].reshape(-1, _HOP)
        self._powers.append(np.einsum("ij,ij->i", hops, hops) / np.float32(_HOP))

    def finish(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Probabilities of speech per 16 ms, and levels in dB per 10 ms over 20 ms each."""
        for waiting, frame, feed in (
            (self._frames, _FRAME, self._detect),
            (self._hops, _HOP, self._measure),
        ):
            if len(waiting):
                feed(np.zeros(frame - len(waiting), np.float32))
        powers = np.concatenate(self._powers)
        smooth = (powers + np.concatenate([powers[1:], powers[-1:]])) / 2
        return np.concatenate(self._speech), (10 * np.log10(smooth + 1e-12)).astype(np.float32)
