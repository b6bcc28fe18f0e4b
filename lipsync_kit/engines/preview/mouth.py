"""The mouth of a frame: two sheets of real skin and lips, and what shows between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.interior import Interior
from lipsync_kit.engines.preview.masks import side_of
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.rig import Rig
from lipsync_kit.engines.preview.sampling import halved
from lipsync_kit.engines.preview.sheets import Sheets

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


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
        inside_luma, inside_chroma = None, None
        if open_.max() > 0.02:
            inside_luma, inside_chroma = self.interior.shown(weights, open_)
        luma[area.luma] = _layered(above[0], over, below[0], under, inside_luma)
        over, under = halved(over)[..., None], halved(under)[..., None]
        chroma[area.chroma] = _layered(above[1], over, below[1], under, inside_chroma)

    def _covers(self, weights: F32) -> tuple[F32, F32]:
        """How much of each pixel of the area the upper and the lower sheet cover."""
        area, soft = self.sheets.upper.grid.area, max(0.5, self.rig.head.size / 700)
        down = self.rig.head.axes[1, :2] / np.linalg.norm(self.rig.head.axes[1, :2])
        top, bottom = (s.moved_edge(weights) for s in (self.sheets.upper, self.sheets.lower))
        gap = (bottom - top) @ down
        # Where lips touch, the lower sheet goes on under the upper one, or a seam would show.
        tucked = bottom - np.clip(1.5 - gap, 0, 1.5)[:, None] * down
        return side_of(area, top, -down, soft), side_of(area, tucked, down, soft)


def _layered(above: U8, over: F32, below: U8, under: F32, inside: F32 | None) -> U8:
    """The upper sheet over the lower one over the inside, each with its cover."""
    base = below.astype(np.float32)
    if inside is not None:
        base = inside + under * (base - inside)
    return np.rint(base + over * (above - base)).astype(np.uint8)
