"""The frame grid of :mod:`lipsync_kit.timing`, for many frames at once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lipsync_kit.timing import SAMPLE_RATE

Samples = npt.NDArray[np.int64]


def grid_samples(frames: Samples, fps: Fraction) -> Samples:
    """:func:`.timing.grid_sample` of every element of ``frames``."""
    # floor(frame * rate / fps + 1/2) in integers; 2**63 is far: hours are 10**9 samples.
    doubled = 2 * frames * (SAMPLE_RATE * fps.denominator) + fps.numerator
    samples: Samples = doubled // (2 * fps.numerator)
    return samples


def frames_between(start: int, end: int, fps: Fraction) -> Samples:
    """Starts of all frames in ``[start, end]``, in samples."""
    first = start * fps.numerator // (SAMPLE_RATE * fps.denominator)
    last = end * fps.numerator // (SAMPLE_RATE * fps.denominator) + 1
    at = grid_samples(np.arange(first, last + 1, dtype=np.int64), fps)
    return at[(at >= start) & (at <= end)]
