"""The reference's mouth, speaking the new words, laid into a frame.

Lips that are drawn from one good frame are sharp, steady and truly closed, whatever the
speaker's own mouth is doing. Skin around them goes along, and fades into the frame's own. The
light of the frame is taken from that skin: what both show there tells how they differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_view import Relief, View
from lipsync_kit.engines.preview.grid import Area, Grid, around
from lipsync_kit.engines.preview.mouth import Mouth
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import Pose, weights
from lipsync_kit.engines.preview.rig import Rig, surface_at
from lipsync_kit.engines.preview.sampling import blurred, halved, widened

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_LAID: Final = (0.085, 0.085, 0.205)  # beside, above and below the lips; face heights; see `sheets`
_FADE: Final = (0.45, 0.97)  # of these margins, where the lips begin and end to fade
_FADE_WIDE: Final = (0.75, 0.97)  # the same over a mouth that is wide open in the frame
_WIDE: Final = (0.07, 0.14)  # face heights between the frame's own lips that are wide open
_LIPS: Final = (0.03, 0.03, 0.13)  # beside, above and below: where the light is not taken from
_LIGHT: Final = 0.05  # face heights over which the light may change
_SMALLER: Final = 4
_NODES_PER_FACE: Final = 60
_MOST_LUMA: Final = 60.0  # steps by which the light may differ
_MOST_CHROMA: Final = 12.0

_OPENCV: Final[Any] = cv2


@dataclass(frozen=True, eq=False)
class Lips:
    """Lays the lips of one reference into frames.

    `cover`, `wide` (h, w): how much of each pixel of the mouth's area is laid, 0 to 1, over a
    frame's usual and over its wide open mouth. `skin` (h, w): where the light is taken from.
    """

    plate: Plate
    relief: Relief
    mouth: Mouth
    cover: F32
    wide: F32
    skin: F32
    size: float

    @classmethod
    def of(cls, rig: Rig, plate: Plate) -> Lips:
        """All that can be computed once per reference."""
        mouth = Mouth.of(rig, plate)
        area = mouth.sheets.upper.grid.area
        step = 2 * max(1, round(rig.head.size / _NODES_PER_FACE / 2))
        grid = Grid(area, step)
        frontal, depth = surface_at(rig.head, grid.nodes().astype(np.float64))
        laid, lips = (_over(grid, _distance(rig, frontal, margins)) for margins in (_LAID, _LIPS))
        return cls(
            plate,
            Relief.of(rig.head, grid, depth),
            mouth,
            (1 - smoothstep(*_FADE, laid)).astype(np.float32),
            (1 - smoothstep(*_FADE_WIDE, laid)).astype(np.float32),
            (smoothstep(0.9, 1.3, lips) * (laid < 1)).astype(np.float32),
            rig.head.size,
        )

    def lay(
        self, pose: Pose, view: View, gap: float, luma: U8, chroma: U8, most: float = 1.0
    ) -> tuple[Area, F32]:
        """Lay the lips over a frame's luma (h, w) and chroma (h/2, w/2, 2), in place.

        `pose`: the new mouth; `gap`: face heights between the lips that the frame itself shows;
        `most`: 1, or less to let the frame shine through. Returns where they are, and how much
        of each pixel there they cover.
        """
        grid = self._grid(view, luma.shape[1], luma.shape[0])
        at, half = self._maps(grid, view)
        share = np.float32(smoothstep(*_WIDE, gap))
        cover = np.float32(most) * (self.cover + share * (self.wide - self.cover))
        cover = _taken(cover, at, cv2.INTER_LINEAR)
        skin = _taken(self.skin, at, cv2.INTER_LINEAR)
        sigma = _LIGHT * self.size * view.scale / _SMALLER
        drawn = self._speaking(weights(pose, self.mouth.rig.line.gap))
        lips = _taken(drawn[0], at, cv2.INTER_CUBIC)
        own = luma[grid.area.luma]
        own[:] = _blended(own, lips, cover, _light(own, lips, skin, sigma, _MOST_LUMA))
        lips = _taken(drawn[1], half, cv2.INTER_LINEAR)
        own = chroma[grid.area.chroma]
        light = _light(own, lips, halved(skin), sigma / 2, _MOST_CHROMA)
        own[:] = _blended(own, lips, halved(cover)[..., None], light)
        return grid.area, cover

    @property
    def _area(self) -> Area:
        return self.mouth.sheets.upper.grid.area

    def _grid(self, view: View, width: int, height: int) -> Grid:
        """The part of a frame in which the area is seen."""
        a = self._area
        corners = np.array([[a.x0, a.y0], [a.x1, a.y0], [a.x0, a.y1], [a.x1, a.y1]], np.float64)
        seen = view.seen(corners, self.relief.depth_at(corners[None])[0])
        step = 2 * max(1, round(self.size * view.scale / 120))
        return Grid(around(seen.min(axis=0), seen.max(axis=0), step, width, height), step)

    def _maps(self, grid: Grid, view: View) -> tuple[F32, F32]:
        """Where in the area each pixel of a frame's grid lies, for luma and for chroma."""
        found = self.relief.found(view, grid.nodes().astype(np.float64))
        at = _over(grid, found - np.array([self._area.x0, self._area.y0], np.float32))
        return at, np.asarray((halved(at) - 0.5) / 2, np.float32)

    def _speaking(self, amounts: F32) -> tuple[F32, F32]:
        """The reference's mouth with its new expression: luma and chroma of the area."""
        luma, chroma = self.plate.luma.copy(), self.plate.chroma.copy()
        self.mouth.draw(amounts, luma, chroma)
        return luma[self._area.luma].astype(np.float32), chroma[self._area.chroma].astype(
            np.float32
        )


def _over(grid: Grid, nodes: npt.NDArray[Any]) -> F32:
    """Values (rows, columns, ...) at a grid's nodes, as those of the pixels of its area."""
    a, s = grid.area, grid.step
    wide = widened(nodes.astype(np.float32), s)
    return wide[s : s + a.y1 - a.y0, s : s + a.x1 - a.x0]


def _distance(rig: Rig, frontal: F64, margins: tuple[float, float, float]) -> F64:
    """How far points (..., 2) are from the lips: 0 on them, 1 at the margins' ends."""
    beside, above, below = margins
    line = rig.line
    u, v = frontal[..., 0], frontal[..., 1]
    across = np.maximum(np.abs(u - line.middle) - line.half_width, 0) / beside
    along = np.maximum((line.upper.min() - v) / above, (v - line.lower.max()) / below)
    return np.asarray(np.hypot(across, np.maximum(along, 0)))


def _taken(source: F32, at: F32, how: int) -> F32:
    """`source` (h, w, ...) at columns and rows `at` (..., 2); 0 beyond it, where nothing covers."""
    edge = cv2.BORDER_CONSTANT if source.ndim == 2 else cv2.BORDER_REPLICATE
    return np.asarray(_OPENCV.remap(source, at, None, how, borderMode=edge), np.float32)


def _light(own: U8, lips: F32, skin: F32, sigma: float, most: float) -> F32:
    """By how much the frame is lighter than the lips, as their skin tells; of `lips`' shape."""
    size = skin.shape[1], skin.shape[0]
    small = max(1, size[0] // _SMALLER), max(1, size[1] // _SMALLER)
    weight = skin if lips.ndim == 2 else skin[..., None]
    differs = cv2.resize((own - lips) * weight, small, interpolation=cv2.INTER_AREA)
    known = blurred(np.asarray(cv2.resize(skin, small, interpolation=cv2.INTER_AREA)), sigma) + 1e-3
    light = blurred(np.asarray(differs), sigma) / (known if lips.ndim == 2 else known[..., None])
    light = np.clip(light, -most, most)
    return np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _blended(own: U8, lips: F32, cover: F32, light: F32) -> U8:
    return np.clip(np.rint(own + cover * (lips + light - own)), 0, 255).astype(np.uint8)
