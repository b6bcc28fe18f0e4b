"""What shows between the lips: cavity, tongue and teeth, or the portrait's own teeth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview import teeth
from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.engines.preview.masks import filled
from lipsync_kit.engines.preview.mouthline import POINTS
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS
from lipsync_kit.engines.preview.rig import Rig
from lipsync_kit.engines.preview.sampling import glow, halved, placed
from lipsync_kit.engines.preview.sheets import Sheet

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_OPEN: Final = MOVEMENTS.index("open")
_SHUT: Final = MOVEMENTS.index("shut")
_ROLL: Final = MOVEMENTS.index("roll")
_ZOOM: Final = MOVEMENTS.index("zoom")
_ASPECT: Final = MOVEMENTS.index("aspect")
_SHEAR: Final = MOVEMENTS.index("shear")
_LIGHT: Final = 0.016  # face heights over which an opening lights what lies behind it


@dataclass(frozen=True, eq=False)
class Interior:
    """Draws the inside of one portrait's mouth.

    `jaw` sprites go with the jaw, `skull` ones with the head. `scale`: picture pixels per pixel
    of a sprite along its two axes, (2, 2). `down`: the face's downwards, pixels per face height.
    """

    rig: Rig
    plate: Plate
    sheet: Sheet
    jaw: tuple[teeth.Sprite, ...]
    skull: tuple[teeth.Sprite, ...]
    cavity: F32
    scale: F64
    down: F64

    @classmethod
    def of(cls, rig: Rig, plate: Plate, sheet: Sheet) -> Interior:
        """Sprites in the portrait's colours; `sheet` is the one that is fixed to the skull."""
        head, line = rig.head, rig.line
        density = float(np.clip(head.size, 160, 700))
        soft = teeth.softness_of(head, plate) * density / head.size
        colours = teeth.colours_of(head, plate)
        jaw = (
            teeth.tongue(colours, density, line.half_width).softened(soft),
            teeth.lower_teeth(colours, density, line.half_width).softened(soft),
        )
        upper = teeth.upper_teeth(colours, density, line.half_width).softened(soft)
        scale = head.size / density * head.axes[:2, :2].T
        cavity = colours.cavity.astype(np.float32)
        down = head.in_picture(0.0, 1.0)
        return cls(rig, plate, sheet, jaw, () if line.smiles else (upper,), cavity, scale, down)

    def shown(self, weights: F32, open_: F32, box: Area) -> tuple[F32, F32]:
        """Luma (h, w) and chroma (h/2, w/2, 2) of a part of the sheet's area in a pose.

        `open_` (h, w): how much of each of its pixels the lips leave open; none at its rim.
        """
        ycc = self._behind(weights, open_.shape)
        for sprite, place in self._placed(weights):
            self._lay(ycc, sprite, place - (box.x0, box.y0), weights)
        shade = self._shade(open_)[..., None]
        ycc[..., :1] = 16 + (ycc[..., :1] - 16) * shade
        ycc[..., 1:] = 128 + (ycc[..., 1:] - 128) * (0.4 + 0.6 * shade)
        luma, chroma = ycc[..., 0], halved(ycc[..., 1:])
        if self.rig.line.gap > 0:
            return self._own(weights, open_, box, luma, chroma)
        return luma, chroma

    def _behind(self, _weights: F32, shape: tuple[int, ...]) -> F32:
        """Y, Cb, Cr (h, w, 3) of what lies behind teeth and tongue."""
        return np.broadcast_to(self.cavity, (*shape, 3)).copy()

    def _placed(self, weights: F32) -> list[tuple[teeth.Sprite, F64]]:
        """The sprites, the farthest first, and where in the picture their middle is."""
        middle = self.sheet.moved_edge(weights)[POINTS // 2].astype(np.float64)
        dropped = middle + self._drop(weights) * self.down
        return [(one, dropped) for one in self.jaw] + [(one, middle) for one in self.skull]

    def _drop(self, weights: F32) -> float:
        """Face heights that the lower teeth are down."""
        mouth, line = self.rig.mouth, self.rig.line
        shut = mouth.jaw_shut * float(weights[_SHUT])
        return mouth.jaw * float(weights[_OPEN]) - shut + line.gap

    def _lay(self, ycc: F32, sprite: teeth.Sprite, place: F64, weights: F32) -> None:
        """Lay a sprite over `ycc` with the middle of the closed lips at `place`."""
        roll, zoom, aspect, shear = (float(weights[i]) for i in (_ROLL, _ZOOM, _ASPECT, _SHEAR))
        turn = np.array([[zoom + aspect, shear - roll], [shear + roll, zoom - aspect]])
        scale = self.scale + turn @ self.scale
        corner = place - scale @ sprite.middle
        matrix, size = np.column_stack([scale, corner]), (ycc.shape[1], ycc.shape[0])
        cover = placed(sprite.cover, matrix, size, cv2.BORDER_CONSTANT)[..., None]
        picture = placed(sprite.ycc, matrix, size, cv2.BORDER_REPLICATE)
        ycc += cover * (picture - ycc)

    def _shade(self, open_: F32) -> F32:
        """How much light falls in: little through a slit, least right behind the upper lip."""
        x, y = np.rint(0.007 * self.down).astype(int)
        wide = np.roll(self._light(open_), (int(y), int(x)), axis=(0, 1))
        return np.asarray(0.25 + 0.75 * smoothstep(0.12, 0.62, wide), np.float32)

    def _light(self, open_: F32) -> F32:
        return glow(open_, _LIGHT * self.rig.head.size)

    def _own(self, weights: F32, open_: F32, box: Area, luma: F32, chroma: F32) -> tuple[F32, F32]:
        """What the portrait itself shows between its lips, over `luma` and `chroma`."""
        own_luma, own_chroma = self.sheet.shown(self.plate, weights)
        soft = max(0.7, self.rig.head.size / 300)
        at = box.within(self.sheet.grid.area)
        cover = filled(box, self.sheet.moved_edge(weights), soft)
        # Teeth stay light until the lips nearly meet: what dims them is the lips' own shadow.
        wide = np.minimum(self._light(open_) / np.maximum(self._light(cover), 1e-3), 1)
        shade = np.asarray(0.5 + 0.5 * np.sqrt(wide), np.float32)
        lit = 16 + (own_luma[at.luma].astype(np.float32) - 16) * shade
        # A mere glimpse of teeth is no row of them: further open, the drawn row takes over.
        line = self.rig.line
        glimpse = 0.0 if line.smiles else weights[_OPEN] / line.gap
        cover = cover * np.float32(1 - smoothstep(0.4, 1.6, glimpse))
        tinted = chroma + halved(cover)[..., None] * (
            own_chroma[at.chroma].astype(np.float32) - chroma
        )
        return luma + cover * (lit - luma), tinted
