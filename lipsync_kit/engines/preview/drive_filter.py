"""Curves without jitter and without lag.

Everything is known before the first frame is drawn, so every filter looks both ways and moves
nothing in time. Curves are float64 arrays (n,) at one value per frame; windows are in frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_CALM: Final = 0.30  # quantile of the curve's bends that is taken for noise alone
_CALM_SIGMAS: Final = 0.385  # of a Gaussian's size, its 30 % quantile
_TRUST: Final = 2.0  # times the noise's power up to which a movement is taken for noise


def smooth(curve: F64, sigma: float) -> F64:
    """Gaussian mean; the ends go on."""
    if sigma < 0.2:
        return curve.copy()
    reach = max(1, round(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(curve, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def steadied(curve: F64, quick: float, slow: float) -> F64:
    """Steady where the curve only trembles, quick where it moves.

    An adaptive Wiener filter (Lee 1980): between its mean over `slow` and over `quick` frames,
    by how much more it moves nearby than its own noise would make it.
    """
    if len(curve) < 3:
        return curve.copy()
    calm, swift = smooth(curve, slow), smooth(curve, quick)
    power = smooth((curve - calm) ** 2, slow)
    noise = _TRUST * noise_of(curve) ** 2
    moving = np.clip(1 - noise / np.maximum(power, 1e-18), 0, 1)
    return np.asarray(calm + moving * (swift - calm))


def noise_of(curve: F64) -> float:
    """Standard deviation of a curve's noise, from how it bends in its calmest frames."""
    bends = np.abs(np.diff(curve, 2))
    if bends.size == 0:
        return 0.0
    return float(np.quantile(bends, _CALM)) / _CALM_SIGMAS / 6**0.5


def bridged(curve: F64, known: Flags, ease: int) -> F64:
    """The curve where it is `known`; elsewhere it goes to 0 and comes back, each in `ease` frames.

    Gaps shorter than `ease` are bridged straight. With nothing known it is 0.
    """
    places = np.flatnonzero(known)
    if places.size == 0:
        return np.zeros_like(curve)
    n = np.arange(len(curve))
    filled = np.interp(n, places, curve[places])
    after = np.searchsorted(places, n, side="right")
    left = n - places[np.maximum(after - 1, 0)]
    right = places[np.minimum(after, places.size - 1)] - n
    left[: places[0]], right[places[-1] + 1 :] = len(curve), len(curve)
    gap = np.where(known, 0, left + right)
    from_left = curve[places[np.maximum(after - 1, 0)]] * _falling(left / ease)
    from_right = curve[places[np.minimum(after, places.size - 1)]] * _falling(right / ease)
    return np.where(known, curve, np.where(gap <= ease, filled, from_left + from_right))


def lasting(curves: F64, frames: int) -> F64:
    """Curves (n, k) without their peaks of fewer than `frames`: a morphological opening."""
    before, after = (frames - 1) // 2, frames // 2
    low = _rolled(curves, before, after).min(axis=-1)
    return np.asarray(_rolled(low, after, before).max(axis=-1))


def _rolled(curves: F64, before: int, after: int) -> F64:
    """Each value with those around it, (n, k, before + 1 + after); the ends go on."""
    padded = np.pad(curves, ((before, after), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, before + 1 + after, axis=0)


def eased(curve: F64, starts: list[int], ease: int) -> F64:
    """The curve with its jumps at `starts` spread over `ease` frames to either side."""
    calm = curve.copy()
    for place in starts:
        jump = curve[place] - curve[place - 1]
        ramp = _falling((np.arange(ease) + 0.5) / ease) / 2 * jump
        before, after = calm[max(0, place - ease) : place], calm[place : place + ease]
        before += ramp[: len(before)][::-1]
        after -= ramp[: len(after)]
    return calm


def limited(curve: npt.ArrayLike, limit: float) -> F64:
    """The curve as it is up to half of `limit`, then ever less, never beyond `limit`."""
    value = np.asarray(curve, np.float64)
    half = limit / 2
    beyond = np.maximum(np.abs(value) - half, 0) / half
    return np.asarray(np.sign(value) * (np.minimum(np.abs(value), half) + half * np.tanh(beyond)))


def _falling(x: npt.ArrayLike) -> F64:
    """1 at 0 and before, 0 at 1 and beyond, smooth between."""
    t = np.clip(np.asarray(x, np.float64), 0, 1)
    return np.asarray(1 - t * t * (3 - 2 * t))
