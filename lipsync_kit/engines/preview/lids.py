"""Blinks: the real skin above the eye comes down over it, lashes first.

The upper lid is a sheet of its own. Its edge, with the lashes, travels to the lower lid; the
skin between it and the brow stretches, most where the lid's fold is. What lies under the sheet
is the eye, untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Grid, around
from lipsync_kit.engines.preview.masks import side_of
from lipsync_kit.engines.preview.mouthline import cheapest_path
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate, to_ycc
from lipsync_kit.engines.preview.pose import applied
from lipsync_kit.engines.preview.rig import Rig
from lipsync_kit.engines.preview.sampling import blurred, halved, sampled
from lipsync_kit.face import topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_WIDER: Final = 1.16  # the eye over the landmarks' eye, which is drawn too small
_POINTS: Final = 33
_SEARCH: Final = (-0.17, 0.03)  # eye widths around the landmarks' lid in which the lashes are
_BELOW: Final = (-0.03, 0.15)  # likewise around the lower lid, for where the eye ends
_CHEEK: Final = 0.30  # eye widths below the lower lid, where there is only skin
_LASHES: Final = 0.025  # eye widths from the middle of the lash line to the lid's edge


@dataclass(frozen=True, eq=False)
class Lid:
    """One upper lid.

    Local coordinates: x and y in eye widths from the left corner, along and across the line
    between the corners.

    `edge`, `travel`, `top` (33,): the lid's edge, its way to the lower lid and the end of the
    skin that stretches, over `x` (33,).
    """

    plate: Plate
    grid: Grid
    nodes: F32
    corner: F64
    across: F64
    down: F64
    width: float
    x: F64
    edge: F64
    travel: F64
    top: F64
    edge_px: F32
    edge_fields: F32

    @classmethod
    def of(cls, rig: Rig, plate: Plate, eye: int) -> Lid:
        """The upper lid of the picture's left (0) or right (1) eye."""
        rows, brow = topology.EYES[eye], topology.BROWS[eye][1]
        points = rig.head.landmarks[:, :2]
        corner, other = points[rows[0][0]], points[rows[0][-1]]
        width = float(np.linalg.norm(other - corner))
        across = (other - corner) / width
        down = np.array([-across[1], across[0]])
        local = (points - corner) @ np.stack([across, down], axis=-1) / width
        x = np.linspace(0.5 - _WIDER / 2, 0.5 + _WIDER / 2, _POINTS)
        upper, lower = (_lid_curve(local[list(row)], x) for row in rows)
        lashes = _lash_line(plate, upper, x, corner, across * width, down * width)
        lower = _lower_edge(plate, lower, x, corner, across * width, down * width)
        edge = np.minimum(lashes + _LASHES, lower)
        travel = lower - edge
        forehead = np.interp(x, local[list(brow), 0], local[list(brow), 1])
        top = np.minimum(forehead, edge - 0.8 * travel.max())
        edge_px = corner + width * (x[:, None] * across + edge[:, None] * down)
        outline = np.concatenate([edge_px, edge_px + (travel + 0.1)[:, None] * down * width])
        ceiling = corner + width * (x[:, None] * across + top[:, None] * down)
        outline = np.concatenate([outline, ceiling])
        margin = 0.12 * width
        area = around(
            outline.min(axis=0) - margin, outline.max(axis=0) + margin, 2, plate.width, plate.height
        )
        grid = Grid(area, 2 * max(1, round(width / 60)))
        return cls(
            plate, grid, grid.nodes(), corner, across, down, width, x, edge, travel, top,
            edge_px.astype(np.float32), rig.at(edge_px),
        )  # fmt: skip

    def draw(self, closed: float, weights: F32, rig: Rig, seen: F32, luma: U8, chroma: U8) -> None:
        """Draw the lid, `closed` 0 to 1, over a frame's luma (h, w) and chroma, in place.

        `seen`: where each node of the rig's grid is seen from, without lids.
        """
        before = _between(rig.grid, seen, self.nodes)
        sheet = self.grid.sample(self.plate, self._under_lid(before, closed))
        moved = applied(weights, self.edge_fields)
        edge = self.edge_px + moved + (closed * self.travel * self.width)[:, None] * self.down
        cover = side_of(self.grid.area, edge, -self.down, max(0.6, self.width / 110))
        for own, plane, rows, mask in (
            (sheet[0], luma, self.grid.area.luma, cover),
            (sheet[1], chroma, self.grid.area.chroma, halved(cover)[..., None]),
        ):
            below = plane[rows].astype(np.float32)
            plane[rows] = np.rint(below + mask * (own - below)).astype(np.uint8)

    def _under_lid(self, before: F32, closed: float) -> F32:
        """Where in the portrait the lid's skin comes from, for points seen without lids."""
        away = (before - self.corner) / self.width
        x, y = (
            away[..., 0] * unit[0] + away[..., 1] * unit[1] for unit in (self.across, self.down)
        )
        edge, top = np.interp(x, self.x, self.edge), np.interp(x, self.x, self.top)
        way = closed * np.interp(x, self.x, self.travel, left=0.0, right=0.0)
        shift = way * smoothstep(0, 1, (y - top) / np.maximum(edge + way - top, 1e-6))
        return np.asarray(before - self.width * shift[..., None] * self.down, np.float32)


@dataclass(frozen=True, eq=False)
class Lids:
    """Both upper lids."""

    rig: Rig
    lids: tuple[Lid, ...]

    @classmethod
    def of(cls, rig: Rig, plate: Plate) -> Lids:
        """All that can be computed once per portrait."""
        return cls(rig, tuple(Lid.of(rig, plate, eye) for eye in (0, 1)))

    def draw(self, closed: float, weights: F32, seen: F32, luma: U8, chroma: U8) -> None:
        """Draw both lids, `closed` 0 to 1, over a frame's planes, in place."""
        for lid in self.lids:
            lid.draw(closed, weights, self.rig, seen, luma, chroma)


def _lid_curve(row: F64, x: F64) -> F64:
    """A lid over `x`, from its landmarks in local coordinates, grown to the eye's real size."""
    middle = np.array([0.5, row[[0, -1], 1].mean()])
    grown = middle + (row - middle) * (_WIDER, 1.0)
    at = np.linspace(-1, 1, len(x))
    own = (grown[:, 0] - x[0]) / (x[-1] - x[0]) * 2 - 1
    weights = np.ones(len(row))
    weights[[0, -1]] = 10
    curve = np.polynomial.chebyshev.chebfit(own, grown[:, 1], 5, w=weights)
    return np.asarray(np.polynomial.chebyshev.chebval(at, curve))


def _lower_edge(plate: Plate, lower: F64, x: F64, corner: F64, across: F64, down: F64) -> F64:
    """Where the eye ends: above it the picture differs from the skin below, under it not."""
    offsets = np.linspace(*_BELOW, 37)
    here = _across_lid(plate, lower, x, corner, across, down, np.append(offsets, _CHEEK))
    strip, cheek = here[:, :-1], np.median(here[:, -1], axis=0)
    unlike = np.abs(strip - cheek).sum(axis=2)
    unlike = np.clip(unlike / max(float(np.percentile(unlike[:, :8], 75)), 1.0), 0, 1)
    # As much of what lies above as possible unlike skin, as much below as possible like it.
    inside, outside = np.cumsum(1 - unlike, axis=1), np.cumsum(unlike[:, ::-1], axis=1)[:, ::-1]
    cost = (inside + outside) / 4 + 1.5 * ((offsets - 0.03) / 0.12) ** 2
    found = offsets[cheapest_path(cost, 0.3)]
    # Below the iris the edge is plain; towards the corners shadow and make-up blur it.
    lower_by = float(np.clip(np.median(found[len(x) // 3 : -(len(x) // 3)]), 0.02, 0.12))
    return lower + lower_by * np.sin(np.linspace(0, np.pi, len(x)))


def _across_lid(
    plate: Plate, lid: F64, x: F64, corner: F64, across: F64, down: F64, offsets: F64
) -> F64:
    """The picture on lines across a lid: Y, Cb, Cr at `x` and `offsets`, (points, offsets, 3)."""
    steps = lid[:, None, None] + offsets[None, :, None]
    where = corner + x[:, None, None] * across + steps * down
    sigma = max(0.6, float(np.linalg.norm(down)) / 60)
    low = np.maximum(np.floor(where.min(axis=(0, 1))).astype(int) - 8, 0)
    high = np.ceil(where.max(axis=(0, 1))).astype(int) + 9
    cut = plate.rgb[low[1] : high[1], low[0] : high[0]]
    return sampled(to_ycc(blurred(cut, sigma)), where - low).astype(np.float64)


def _taper(points: int) -> F64:
    """1 in the middle of a lid, 0 at the corners."""
    n = np.arange(points)
    return np.minimum(1, np.minimum(n, n[::-1]) / 6)


def _lash_line(plate: Plate, upper: F64, x: F64, corner: F64, across: F64, down: F64) -> F64:
    """The darkest line near the upper lid: where the lashes grow."""
    offsets = np.linspace(*_SEARCH, 41)
    cost = _across_lid(plate, upper, x, corner, across, down, offsets)[..., 0]
    cost = cost / max(float(cost.std()), 1.0) + 1.2 * ((offsets + 0.04) / 0.14) ** 2
    found = offsets[cheapest_path(cost, 0.12)]
    smooth = np.convolve(np.pad(found, 2, "edge"), np.ones(5) / 5, "valid")
    return np.asarray(upper + _taper(len(x)) * smooth)


def _between(grid: Grid, values: F32, points: F32) -> F32:
    """Values of a grid's nodes at other points, both (rows, columns, 2)."""
    at = (points - grid.nodes()[0, 0]) / grid.step
    return sampled(values, at)
