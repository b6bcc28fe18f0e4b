"""Loudness by ITU-R BS.1770-4 and EBU R 128, from energies kept per 100 ms.

Sound is K-weighted and its mean square kept for every 100 ms of every channel. From those
numbers follow integrated loudness (400 ms blocks, gates at -70 LUFS and -10 LU), loudness
range (EBU Tech 3342) and the same after any gain, without touching the sound again. Where a
limiter changed a stretch, only that stretch is weighed again.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lipsync_kit.media.pcm import Block

STEP = 4800
"""Samples of 48 kHz sound that one energy stands for: 100 ms."""

SILENT = float("-inf")
_LANE = 80
_LANES = STEP // _LANE
_OFFSET = -0.691
_ABSOLUTE_GATE = -70.0

# BS.1770-4, tables 1 and 2: the head's shelf, then the RLB high-pass, at 48 kHz.
_SECTIONS = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621),
)

Energies = npt.NDArray[np.float64]
"""Mean squares of K-weighted sound, shape ``(channels, steps of 100 ms)``."""


class _Lanes(NamedTuple):
    """The K filter as matrices: lanes of 80 samples, 60 lanes to a step."""

    direct: npt.NDArray[np.float32]
    entering: npt.NDArray[np.float32]
    ringing: npt.NDArray[np.float32]
    chained: npt.NDArray[np.float64]
    carried: npt.NDArray[np.float64]


def _tick(state: npt.NDArray[np.float64], value: float) -> tuple[npt.NDArray[np.float64], float]:
    """One sample through both sections (transposed direct form II); state has four numbers."""
    after = np.empty(4)
    for section, (b0, b1, b2, a1, a2) in enumerate(_SECTIONS):
        first, second = state[2 * section : 2 * section + 2]
        out = b0 * value + first
        after[2 * section] = b1 * value - a1 * out + second
        after[2 * section + 1] = b2 * value - a2 * out
        value = out
    return after, value


@cache
def _lanes() -> _Lanes:
    """Matrices that give a lane's output from its input and the state before it.

    A recursive filter is linear, so a lane of n outputs is a matrix product of its inputs and
    its entry state, and the states of successive lanes chain the same way one level up. That
    turns a loop over samples into a few matrix products.
    """
    identity = np.eye(4)
    step = np.stack([_tick(identity[i], 0.0)[0] for i in range(4)], axis=1)
    read = np.array([_tick(identity[i], 0.0)[1] for i in range(4)])
    push, through = _tick(np.zeros(4), 1.0)
    powers = [identity]
    for _ in range(_LANE):
        powers.append(step @ powers[-1])
    response = np.array([through, *(read @ power @ push for power in powers[: _LANE - 1])])
    shift = np.arange(_LANE)[:, None] - np.arange(_LANE)[None, :]
    direct = np.where(shift >= 0, response[np.maximum(shift, 0)], 0.0)
    entering = np.stack([powers[_LANE - 1 - i] @ push for i in range(_LANE)], axis=1)
    ringing = np.stack([read @ power for power in powers[:_LANE]])
    lane = powers[_LANE]
    hops = [identity]
    for _ in range(_LANES):
        hops.append(lane @ hops[-1])
    chained = np.zeros((4 * _LANES, 4 * _LANES))
    for row in range(_LANES):
        for column in range(row + 1):
            chained[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = hops[row - column]
    carried = np.concatenate(hops[1:])
    return _Lanes(
        np.ascontiguousarray(direct.T, np.float32),
        np.ascontiguousarray(entering.T, np.float32),
        np.ascontiguousarray(ringing.T, np.float32),
        np.ascontiguousarray(chained.T),
        carried,
    )


class KWeighting:
    """The K filter of one channel, and the energies of what comes out of it."""

    def __init__(self) -> None:
        self._state = np.zeros(4)

    def energies(self, samples: npt.NDArray[np.float32]) -> Energies:
        """Mean squares of the next whole steps; the length is a multiple of :data:`STEP`."""
        filters = _lanes()
        lanes = samples.reshape(-1, _LANE)
        pushed = (lanes @ filters.entering).reshape(-1, 4 * _LANES).astype(np.float64)
        leaving = pushed @ filters.chained
        before = self._state
        for step in range(len(leaving)):
            leaving[step] += filters.carried @ self._state
            self._state = leaving[step, -4:].copy()
        entering = np.concatenate([before, leaving.reshape(-1)[:-4]]).reshape(-1, 4)
        weighted = lanes @ filters.direct
        weighted += entering.astype(np.float32) @ filters.ringing
        steps = weighted.reshape(-1, STEP)
        squares: Energies = np.einsum("ij,ij->i", steps, steps).astype(np.float64) / STEP
        return squares


class Meter:
    """Collects energies of planar 48 kHz blocks of any length; a last part step is left out."""

    def __init__(self, channels: int) -> None:
        self._filters = [KWeighting() for _ in range(channels)]
        self._rest = np.zeros((channels, 0), np.float32)
        self._energies: list[Energies] = []

    def feed(self, block: Block) -> None:
        """Weigh the next block."""
        joined = np.concatenate([self._rest, block], axis=1) if self._rest.size else block
        whole = joined.shape[1] // STEP * STEP
        self._rest = joined[:, whole:].copy()
        if whole:
            self._energies.append(
                np.stack(
                    [
                        weighting.energies(np.ascontiguousarray(channel[:whole]))
                        for weighting, channel in zip(self._filters, joined, strict=True)
                    ]
                )
            )

    def energies(self) -> Energies:
        """All energies so far."""
        if not self._energies:
            return np.zeros((len(self._filters), 0))
        return np.concatenate(self._energies, axis=1)


def _level(power: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    level: npt.NDArray[np.float64] = _OFFSET + 10 * np.log10(np.maximum(power, 1e-20))
    return level


def _windows(energies: Energies, steps: int) -> npt.NDArray[np.float64]:
    """Power, summed over the channels, of windows of ``steps`` that start at every step."""
    summed = energies.sum(axis=0)
    if len(summed) < steps:
        return np.zeros(0)
    means: npt.NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(summed, steps).mean(
        axis=1
    )
    return means


def integrated(energies: Energies, gain: float = 1.0) -> float:
    """Integrated loudness in LUFS after ``gain`` (a factor), or :data:`SILENT`."""
    power = _windows(energies, 4) * gain**2
    power = power[_level(power) >= _ABSOLUTE_GATE]
    if not len(power):
        return SILENT
    relative = _level(np.array([power.mean()]))[0] - 10
    return float(_level(np.array([power[_level(power) >= relative].mean()]))[0])


def loudness_range(energies: Energies, gain: float = 1.0) -> float:
    """Loudness range in LU (EBU Tech 3342): 10th to 95th percentile of gated 3 s windows."""
    power = _windows(energies, 30) * gain**2
    power = power[_level(power) >= _ABSOLUTE_GATE]
    if not len(power):
        return 0.0
    levels = _level(power)
    levels = levels[levels >= _level(np.array([power.mean()]))[0] - 20]
    low, high = np.percentile(levels, [10, 95])
    return float(high - low)
