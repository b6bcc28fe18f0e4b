"""OpenCV's few ways to sample a picture, with types."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

T = TypeVar("T", bound=np.generic)
F32 = npt.NDArray[np.float32]

# OpenCV's own hints know neither the missing second map nor arrays of any type.
_OPENCV: Final[Any] = cv2


def sampled(source: npt.NDArray[T], at: npt.NDArray[Any]) -> npt.NDArray[T]:
    """Values of `source` (h, w, ...) between its samples, at columns and rows `at` (..., 2).

    Linear; the borders go on. `at` must have two dimensions besides the last.
    """
    where = np.asarray(at, np.float32)
    how, edge = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    taken = _OPENCV.remap(source, where, None, how, borderMode=edge)
    return np.asarray(taken, source.dtype)


def widened(source: F32, factor: int) -> F32:
    """`source` (h, w, ...) enlarged by a whole factor, linearly; its centre stays."""
    size = source.shape[1] * factor, source.shape[0] * factor
    return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_LINEAR), np.float32)


def halved(source: npt.NDArray[Any]) -> F32:
    """`source` (h, w, ...) at half its size, each value the mean of four."""
    size = source.shape[1] // 2, source.shape[0] // 2
    return np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32)


def blurred(source: npt.NDArray[T], sigma: float) -> npt.NDArray[T]:
    """`source` under a Gaussian; sigma in samples."""
    return np.asarray(_OPENCV.GaussianBlur(source, (0, 0), sigma), source.dtype)


def glow(source: F32, sigma: float) -> F32:
    """`source` (h, w) under a wide Gaussian, worked out at a fraction of its size."""
    height, width = source.shape
    factor = max(1, int(sigma / 3))
    size = max(1, width // factor), max(1, height // factor)
    small = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32)
    soft = blurred(small, sigma * size[0] / width)
    wide = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, np.float32)


def placed(sprite: F32, matrix: npt.NDArray[np.float64], size: tuple[int, int], edge: int) -> F32:
    """`sprite` laid by an affine `matrix` (2, 3) into a picture of `size` (width, height)."""
    laid = cv2.warpAffine(sprite, matrix, size, flags=cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(laid, np.float32)
