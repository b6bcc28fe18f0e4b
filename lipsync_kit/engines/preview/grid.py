"""A coarse grid over the part of the picture that moves, and its inverse and fine maps.

The rig says where each point of the portrait goes. A frame needs the opposite: where each of
its pixels comes from. Both fields are smooth, so a node every few pixels is enough; OpenCV
widens the grid to a map in a fraction of a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.sampling import sampled, widened

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_ROUNDS: Final = 8  # of the fixed-point inversion


@dataclass(frozen=True)
class Area:
    """A rectangle of the picture in pixels, all four even: [x0, x1) and [y0, y1)."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def luma(self) -> tuple[slice, slice]:
        """The rectangle in an array (h, w)."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def within(self, outer: Area) -> Area:
        """The same rectangle, counted from the corner of `outer`."""
        x, y = outer.x0, outer.y0
        return Area(self.x0 - x, self.y0 - y, self.x1 - x, self.y1 - y)

    @property
    def chroma(self) -> tuple[slice, slice]:
        """The rectangle in an array (h/2, w/2, 2)."""
        return slice(self.y0 // 2, self.y1 // 2), slice(self.x0 // 2, self.x1 // 2)

    def carried(self, x: int, y: int) -> Area:
        """The rectangle `x` pixels further right and `y` further down."""
        return Area(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)


@dataclass(frozen=True)
class Grid:
    """Nodes `step` pixels apart over an area, and one more all around."""

    area: Area
    step: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of nodes."""
        a, s = self.area, self.step
        return -(-(a.y1 - a.y0) // s) + 2, -(-(a.x1 - a.x0) // s) + 2

    def nodes(self) -> F32:
        """Positions of the nodes in the picture, shape (rows, columns, 2)."""
        rows, columns = self.shape
        x = self.area.x0 + (np.arange(columns, dtype=np.float32) - 0.5) * self.step - 0.5
        y = self.area.y0 + (np.arange(rows, dtype=np.float32) - 0.5) * self.step - 0.5
        return np.stack(np.meshgrid(x, y), axis=-1)

    def inverse(self, nodes: F32, moved: F32, shown: F32 | None = None) -> F32:
        """Where what is seen at each node comes from, given how far each node's point goes.

        Both (rows, columns, 2) in pixels. Fixed-point iteration (Chen et al. 2008): the point
        seen at q comes from p with p + moved(p) = q. With `shown` it is asked for those points
        instead: `nodes` carried along by whole pixels.
        """
        origin = nodes[0, 0]
        at = nodes if shown is None else shown
        seen = nodes - moved if shown is None else nodes
        for _ in range(_ROUNDS - 1):
            seen = at - sampled(moved, (seen - origin) / self.step)
        return np.asarray(seen, np.float32)

    def luma_map(self, seen: F32) -> F32:
        """The map into `Plate.fine` of every pixel of the area, shape (h, w, 2)."""
        a, s = self.area, self.step
        return widened(2 * seen, s)[s : s + a.y1 - a.y0, s : s + a.x1 - a.x0]

    def chroma_map(self, seen: F32) -> F32:
        """The map into `Plate.chroma` of every chroma sample of the area, (h/2, w/2, 2)."""
        a, s = self.area, self.step // 2
        height, width = (a.y1 - a.y0) // 2, (a.x1 - a.x0) // 2
        return widened(np.float32(0.5) * (seen - np.float32(0.5)), s)[s : s + height, s : s + width]

    def sample(self, plate: Plate, seen: F32) -> tuple[U8, U8]:
        """The area's luma (h, w) and chroma (h/2, w/2, 2), taken from where each is seen."""
        luma = sampled(plate.fine, self.luma_map(seen))
        return luma, sampled(plate.chroma, self.chroma_map(seen))


def around(low: npt.ArrayLike, high: npt.ArrayLike, step: int, width: int, height: int) -> Area:
    """The area of whole steps that holds the points `low`..`high`, inside the picture.

    Never empty: of points outside the picture it holds the nearest step inside.
    """
    sides = []
    for start, end, size in zip(np.asarray(low), np.asarray(high), (width, height), strict=True):
        first = min(max(0, int(start // step) * step), (size - 1) // step * step)
        sides.append((first, min(max(first + step, int(-(-end // step)) * step), size)))
    (x0, x1), (y0, y1) = sides
    return Area(x0, y0, x1, y1)
