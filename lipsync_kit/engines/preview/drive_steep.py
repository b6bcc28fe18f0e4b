"""Inverting fields that are too steep for the talk engine's fixed-point iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Grid
from lipsync_kit.engines.preview.sampling import sampled

F32 = npt.NDArray[np.float32]

_TURNS: Final = 18  # of the damped iteration
_DAMPED: Final = 0.8  # of a fixed-point step: twice stretched and three times pressed, both settle

_STEEP: Final = 0.8  # pixels of movement per pixel from which fixed points begin to swing
_ROUNDS: Final = 7
_LEAST: Final = 0.15  # of its area that a place is taken to keep, so that no step is endless
_STRIDE: Final = 6.0  # nodes that a step may go


@dataclass(frozen=True)
class WideGrid(Grid):
    """A grid whose fields may stretch the picture to double, as a head that turns far does."""

    def inverse(self, nodes: F32, moved: F32, shown: F32 | None = None) -> F32:
        """As :meth:`Grid.inverse`, by damped fixed points."""
        at = nodes if shown is None else shown
        seen = nodes - moved if shown is None else nodes
        for _ in range(_TURNS):
            off = seen + sampled(moved, (seen - nodes[0, 0]) / self.step) - at
            seen = seen - np.float32(_DAMPED) * off
        return np.asarray(seen, np.float32)


@dataclass(frozen=True)
class SteepGrid(Grid):
    """A grid whose fields may stretch the picture to a multiple, as lips that open wide do."""

    def inverse(self, nodes: F32, moved: F32, shown: F32 | None = None) -> F32:
        """As :meth:`Grid.inverse`, by Newton's method where the field is steep."""
        down = np.gradient(moved, self.step, axis=0)
        across = np.gradient(moved, self.step, axis=1)
        slopes = np.concatenate([across, down], axis=-1).astype(np.float32)
        seen = super().inverse(nodes, moved, shown)
        if np.abs(slopes).max() < _STEEP:
            return seen
        at = nodes if shown is None else shown
        stride = np.float32(_STRIDE * self.step)
        for _ in range(_ROUNDS):
            place = (seen - nodes[0, 0]) / self.step
            off = seen + sampled(moved, place) - at
            seen = seen - np.clip(_solved(sampled(slopes, place), off), -stride, stride)
        return np.asarray(seen, np.float32)


def _solved(slopes: F32, off: F32) -> F32:
    """The step (..., 2) that mends `off`, where the field has `slopes` (..., 4)."""
    xx, yx, xy, yy = (slopes[..., k] for k in range(4))
    a, d = 1 + xx, 1 + yy
    size = np.maximum(a * d - xy * yx, np.float32(_LEAST))
    x, y = off[..., 0], off[..., 1]
    return np.stack([(d * x - xy * y) / size, (a * y - yx * x) / size], axis=-1)
