"""A portrait that does what a driver does: one frame's planes for each act."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_act import Act
from lipsync_kit.engines.preview.drive_eyes import Ball, find_balls
from lipsync_kit.engines.preview.drive_interior import WideInterior
from lipsync_kit.engines.preview.drive_mirror import picture
from lipsync_kit.engines.preview.drive_rig import drive_rig
from lipsync_kit.engines.preview.drive_steep import SteepGrid
from lipsync_kit.engines.preview.grid import Area, Grid
from lipsync_kit.engines.preview.lids import Lid, Lids
from lipsync_kit.engines.preview.mouth import Mouth
from lipsync_kit.engines.preview.mouthline import POINTS
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS, Pose, weights
from lipsync_kit.engines.preview.rig import Rig
from lipsync_kit.engines.preview.sheets import Sheets
from lipsync_kit.face import Face

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_OPEN: Final = MOVEMENTS.index("open")
_PARTED: Final = (0.02, 0.10)  # face heights of a gap in which a lip's edge goes back
_INSET: Final = 0.006  # face heights that it does
_LID_MOVES: Final = 0.02  # closure below which nothing can be seen of a blink
_LID_SHUT: Final = 0.97  # and above which nothing can be seen of the eye


@dataclass(frozen=True, eq=False)
class Puppet:
    """Draws acts of one portrait."""

    plate: Plate
    rig: Rig
    mouth: Mouth
    lids: Lids
    balls: tuple[Ball | None, Ball | None]

    @classmethod
    def of(cls, plate: Plate, face: Face) -> Puppet:
        """The puppet of a face in a picture; costs about a second of CPU."""
        rig = drive_rig(face, plate)
        balls = find_balls(rig, plate, face)
        return cls(plate, rig, _wide(Mouth.of(rig, plate)), Lids.of(rig, plate), balls)

    def show(self, pose: Pose) -> U8:
        """The portrait in a pose, RGB (h, w, 3)."""
        luma, chroma = self.plate.luma.copy(), self.plate.chroma.copy()
        self.draw(Act(pose, (0.0, 0.0), (0.0, 0.0)), luma, chroma)
        return picture(luma, chroma)

    def draw(self, act: Act, luma: U8, chroma: U8) -> None:
        """Draw an act into a frame's luma (h, w) and chroma (h/2, w/2, 2), in place.

        The planes must hold the portrait or another of its acts: only what moves is written.
        """
        amounts = weights(act.pose, self.rig.line.gap)
        grid = self.rig.grid
        seen = grid.inverse(self.rig.nodes, self.rig.moved(amounts))
        luma[grid.area.luma], chroma[grid.area.chroma] = grid.sample(self.plate, seen)
        self._carried_mouth(amounts).draw(amounts, luma, chroma)
        for lid, ball, closed in zip(self.lids.lids, self.balls, act.lids, strict=True):
            wider = max(-closed, 0.0) if ball else 0.0
            if ball and closed < _LID_SHUT:
                ball.draw(act.gaze, wider, amounts, self.rig, seen, luma, chroma)
            if closed > _LID_MOVES or wider > _LID_MOVES:
                self._carried_lid(lid, amounts).draw(closed, amounts, self.rig, seen, luma, chroma)

    def _carried_mouth(self, amounts: F32) -> Mouth:
        """The mouth with its area where the head has taken it."""
        mouth = self.mouth
        rim = mouth.sheets.skull
        x, y = self._carried(rim.grid.area, rim.moved_edge(amounts) - rim.edge)
        upper, lower, skull = (
            sheet.carried(x, y)
            for sheet in (mouth.sheets.upper, mouth.sheets.lower, mouth.sheets.skull)
        )
        # Wide open, a lip begins a little behind its line, or the shadow there would be drawn out.
        apart = smoothstep(*_PARTED, amounts[_OPEN])
        inset = apart * _INSET * self._taper[:, None] * self.rig.head.in_picture(0.0, 1.0)
        lower = replace(lower, edge=lower.edge + inset.astype(np.float32))
        interior = replace(mouth.interior, sheet=skull)
        return replace(mouth, sheets=Sheets(upper, lower, skull), interior=interior)

    @property
    def _taper(self) -> F32:
        """1 along the lips, 0 at their corners."""
        x = np.linspace(-1, 1, POINTS)
        return np.minimum((1 - np.abs(x)) / 0.15, 1).astype(np.float32)

    def _carried_lid(self, lid: Lid, amounts: F32) -> Lid:
        moved = np.einsum("k,knd->nd", amounts, lid.edge_fields)
        x, y = self._carried(lid.grid.area, moved)
        grid = Grid(lid.grid.area.carried(x, y), lid.grid.step)
        return replace(lid, grid=grid, nodes=grid.nodes())

    def _carried(self, area: Area, moved: F32) -> tuple[int, int]:
        """Whole even pixels that an area goes with what is in it, without leaving the picture."""
        x, y = (2 * round(float(v) / 2) for v in moved.mean(axis=0))
        x = max(-area.x0, min(x, (self.plate.width - area.x1) // 2 * 2))
        return x, max(-area.y0, min(y, (self.plate.height - area.y1) // 2 * 2))


def _wide(mouth: Mouth) -> Mouth:
    """A mouth whose sheets are as exact as wide openings need."""
    sheets = [
        replace(sheet, grid=SteepGrid(sheet.grid.area, sheet.grid.step))
        for sheet in (mouth.sheets.upper, mouth.sheets.lower, mouth.sheets.skull)
    ]
    interior = WideInterior.within(mouth.interior, sheets[2])
    return replace(mouth, sheets=Sheets(*sheets), interior=interior)
