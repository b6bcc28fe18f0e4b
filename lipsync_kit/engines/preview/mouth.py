"""The mouth of a frame: two sheets of real skin and lips, and what shows between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.engines.preview.interior import Interior
from lipsync_kit.engines.preview.masks import side_of
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.rig import Rig
from lipsync_kit.engines.preview.sampling import halved
from lipsync_kit.engines.preview.sheets import Sheets

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_SHOWS: Final = 0.02  # of a pixel between the lips, below which nothing can be seen of the inside


@dataclass(frozen=True, eq=False)
class Mouth:
    """Draws the mouth of any pose over a frame."""

    rig: Rig
    plate: Plate
    sheets: Sheets
    interior: Interior

    @classmethod
    def of(cls, rig: Rig, plate: Plate) -> Mouth:
        """All that can be computed once per portrait."""
        sheets = Sheets.of(rig, plate)
        return cls(rig, plate, sheets, Interior.of(rig, plate, sheets.skull))

    def draw(self, weights: F32, luma: U8, chroma: U8) -> None:
        """Draw the mouth over a whole frame's luma (h, w) and chroma (h/2, w/2, 2), in place."""
        area = self.sheets.upper.grid.area
        above, below = (
            sheet.shown(self.plate, weights) for sheet in (self.sheets.upper, self.sheets.lower)
        )
        over, under = self._covers(weights)
        open_ = (1 - over) * (1 - under)
        bases = [sheet.astype(np.float32) for sheet in below]
        if open_.max() > _SHOWS:
            box = self._box(open_)
            at = box.within(area)
            inside = self.interior.shown(weights, open_[at.luma], box)
            _lay(bases[0][at.luma], under[at.luma], inside[0])
            _lay(bases[1][at.chroma], halved(under[at.luma])[..., None], inside[1])
        luma[area.luma] = _over(bases[0], over, above[0])
        chroma[area.chroma] = _over(bases[1], halved(over)[..., None], above[1])

    def _box(self, open_: F32) -> Area:
        """The part of the picture around what the lips leave open."""
        rows, columns = np.nonzero(open_.max(axis=1))[0], np.nonzero(open_.max(axis=0))[0]
        room = 4 + round(0.01 * self.rig.head.size)
        area = self.sheets.upper.grid.area
        x0, x1 = area.x0 + columns[0] - room, area.x0 + columns[-1] + room
        y0, y1 = area.y0 + rows[0] - room, area.y0 + rows[-1] + room
        return Area(
            max(area.x0, x0 // 2 * 2),
            max(area.y0, y0 // 2 * 2),
            min(area.x1, x1 // 2 * 2 + 2),
            min(area.y1, y1 // 2 * 2 + 2),
        )

    def _covers(self, weights: F32) -> tuple[F32, F32]:
        """How much of each pixel of the area the upper and the lower sheet cover."""
        area, soft = self.sheets.upper.grid.area, max(0.5, self.rig.head.size / 700)
        down = self.rig.head.axes[1, :2] / np.linalg.norm(self.rig.head.axes[1, :2])
        top, bottom = (s.moved_edge(weights) for s in (self.sheets.upper, self.sheets.lower))
        gap = (bottom - top) @ down
        # Where lips touch, the lower sheet goes on under the upper one, or a seam would show.
        tucked = bottom - np.clip(1.5 - gap, 0, 1.5)[:, None] * down
        return side_of(area, top, -down, soft), side_of(area, tucked, down, soft)


def _lay(base: F32, cover: F32, below: F32) -> None:
    """Keep of `base` what `cover` says, and let `below` show for the rest; in place."""
    base[:] = below + cover * (base - below)


def _over(base: F32, cover: F32, above: U8) -> U8:
    """`above` over `base` as far as it covers."""
    return np.rint(base + cover * (above - base)).astype(np.uint8)
