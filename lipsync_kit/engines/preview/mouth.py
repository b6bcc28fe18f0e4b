"""The mouth of a frame: two sheets of real skin and lips, and what shows between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview import teeth
from lipsync_kit.engines.preview.grid import Area, Grid, around
from lipsync_kit.engines.preview.masks import filled, side_of
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import MOVEMENTS, applied
from lipsync_kit.engines.preview.rig import Rig, frontal_of, mouth_fields
from lipsync_kit.engines.preview.sampling import blurred, halved, placed

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_MARGIN: Final = (0.09, 0.09, 0.21)  # around the lips' line: sides, above, below; face heights
_HEAD: Final = [MOVEMENTS.index(n) for n in ("yaw", "pitch", "roll", "x", "y", "zoom")]
_OPEN: Final = MOVEMENTS.index("open")
_SHUT: Final = MOVEMENTS.index("shut")


@dataclass(frozen=True, eq=False)
class Sheet:
    """One side of the mouth, all in pixels.

    `fields`: (movements, rows, columns, 2). `edge` (41, 2): the lip's inner edge in the
    portrait, and `edge_fields` (movements, 41, 2) how it moves.
    """

    fields: F32
    edge: F32
    edge_fields: F32

    def moved_edge(self, weights: F32) -> F32:
        """The lip's inner edge in a pose."""
        return self.edge + applied(weights, self.edge_fields)


@dataclass(frozen=True, eq=False)
class Mouth:
    """Draws the mouth of any pose over a frame."""

    plate: Plate
    size: float
    grid: Grid
    nodes: F32
    upper: Sheet
    lower: Sheet
    own: Sheet | None
    skull: F32
    to_picture: F64
    sprites: tuple[teeth.Sprite, ...]
    cavity: F32
    density: float
    down: F32
    drop: F32
    gap: float
    smiles: bool

    @classmethod
    def of(cls, rig: Rig, plate: Plate) -> Mouth:
        """All that can be computed once per portrait."""
        grid = Grid(_area(rig, plate), 2 * max(1, round(rig.head.size / 180 / 2)))
        nodes = grid.nodes()
        frontal = frontal_of(rig.head, nodes)
        everywhere = rig.at(nodes)
        line = rig.line
        upper_edge = np.stack([line.u, line.upper], axis=-1)
        lower_edge = np.stack([line.u, line.lower], axis=-1)
        upper = Sheet(
            _replaced(rig, everywhere, frontal, "upper"),
            line.upper_px.astype(np.float32),
            _replaced(rig, rig.at(line.upper_px), upper_edge, "upper"),
        )
        lower = Sheet(
            _replaced(rig, everywhere, frontal, "lower"),
            line.lower_px.astype(np.float32),
            _replaced(rig, rig.at(line.lower_px), lower_edge, "lower"),
        )
        colours = teeth.colours_of(rig.head, plate)
        density = float(np.clip(rig.head.size, 160, 700))
        half = line.half_width
        bared = line.gap > 0
        soft = teeth.softness_of(rig.head, plate) * density / rig.head.size
        sprites = (
            teeth.tongue(colours, density, half),
            teeth.lower_teeth(colours, density, half),
            *(() if line.smiles else (teeth.upper_teeth(colours, density, half),)),
        )
        head_only = np.isin(np.arange(len(MOVEMENTS)), _HEAD).astype(np.float32)
        skull = everywhere * head_only[:, None, None, None]
        rim = np.concatenate([line.upper_px, line.lower_px[::-1]])
        own = Sheet(skull, rim.astype(np.float32), rig.at(rim) * head_only[:, None, None])
        drop = np.zeros(len(MOVEMENTS), np.float32)
        drop[_OPEN], drop[_SHUT] = rig.mouth.jaw, -rig.mouth.jaw_shut
        place = np.column_stack([rig.head.size * rig.head.axes[:2, :2].T, line.upper_px[20]])
        return cls(
            plate, rig.head.size, grid, nodes, upper, lower, own if bared else None, skull,
            place, tuple(sprite.softened(soft) for sprite in sprites), colours.cavity.astype(np.float32), density,
            rig.head.in_picture(0.0, 1.0).astype(np.float32), drop, line.gap, line.smiles,
        )  # fmt: skip

    def draw(self, weights: F32, luma: U8, chroma: U8) -> None:
        """Draw the mouth over a whole frame's luma (h, w) and chroma (h/2, w/2, 2), in place."""
        area = self.grid.area
        upper, lower = self._sheet(self.upper, weights), self._sheet(self.lower, weights)
        top, bottom = self.upper.moved_edge(weights), self.lower.moved_edge(weights)
        over, under = self._masks(top, bottom)
        open_ = (1 - over) * (1 - under)
        inside_y, inside_c = self._inside(weights, open_) if open_.max() > 0.02 else (None, None)
        for sheets, inside, plane, rows in (
            ((upper[0], lower[0]), inside_y, luma, area.luma),
            ((upper[1], lower[1]), inside_c, chroma, area.chroma),
        ):
            a, b = over, under
            if plane is chroma:
                a, b = halved(over)[..., None], halved(under)[..., None]
            below = sheets[1].astype(np.float32)
            if inside is not None:
                below = inside + b * (below - inside)
            plane[rows] = np.rint(below + a * (sheets[0] - below)).astype(np.uint8)

    def _sheet(self, sheet: Sheet, weights: F32) -> tuple[U8, U8]:
        seen = self.grid.inverse(self.nodes, applied(weights, sheet.fields))
        return self.grid.sample(self.plate, seen)

    def _masks(self, top: F32, bottom: F32) -> tuple[F32, F32]:
        """How much of each pixel of the area the upper and the lower sheet cover."""
        area, soft = self.grid.area, max(0.5, self.size / 700)
        down = self.down / np.linalg.norm(self.down)
        gap = (bottom - top) @ down
        # Where lips touch, the lower sheet goes on under the upper one, or a seam would show.
        tucked = bottom - np.clip(1.5 - gap, 0, 1.5)[:, None] * down
        return side_of(area, top, -down, soft), side_of(area, tucked, down, soft)

    def _inside(self, weights: F32, open_: F32) -> tuple[F32, F32]:
        """Luma (h, w) and chroma (h/2, w/2, 2) of what shows between the lips."""
        height, width = open_.shape
        skull = self._skull(weights)
        jaw = skull.copy()
        jaw[:, 2] += (weights @ self.drop + self.gap) * self.down
        ycc = np.broadcast_to(self.cavity, (height, width, 3)).copy()
        for sprite, place in zip(self.sprites, (jaw, jaw, skull), strict=False):
            self._lay(ycc, sprite, place)
        shade = self._shade(open_)[..., None]
        ycc[..., :1] = 16 + (ycc[..., :1] - 16) * shade
        ycc[..., 1:] = 128 + (ycc[..., 1:] - 128) * (0.4 + 0.6 * shade)
        half = halved(ycc[..., 1:])
        if self.own is None:
            return ycc[..., 0], half
        return self._own_teeth(self.own, weights, open_, ycc[..., 0], half)

    def _own_teeth(self, own: Sheet, weights: F32, open_: F32, y: F32, c: F32) -> tuple[F32, F32]:
        """What the portrait itself shows between its lips, over `y` and `c`; fixed to the skull."""
        luma, chroma = self._sheet(own, weights)
        soft = max(0.7, self.size / 300)
        cover = filled(self.grid.area, own.moved_edge(weights), soft)
        wide = blurred(cover, 0.016 * self.size)
        now = blurred(open_, 0.016 * self.size)
        # A mere glimpse of teeth is no row of them: further open, the drawn row takes over.
        glimpse = 0.0 if self.smiles else weights[_OPEN] / self.gap
        cover = cover * np.float32(1 - smoothstep(0.4, 1.6, glimpse))
        shade: F32 = np.clip(0.3 + 0.7 * now / np.maximum(wide, 1e-3), 0, 1)
        lit = 16 + (luma.astype(np.float32) - 16) * shade
        tinted = c + halved(cover)[..., None] * (chroma.astype(np.float32) - c)
        return y + cover * (lit - y), tinted

    def _skull(self, weights: F32) -> F64:
        """Frontal coordinates from the middle of the lips to the area's pixels, (2, 3)."""
        rows, columns = self.grid.shape
        middle = applied(weights, self.skull[:, rows // 3, columns // 2])
        turned = self.to_picture.copy()
        roll, zoom = float(weights[_HEAD[2]]), float(weights[_HEAD[5]])
        turned[:, :2] += np.array([[zoom, -roll], [roll, zoom]]) @ turned[:, :2]
        turned[:, 2] += middle - (self.grid.area.x0, self.grid.area.y0)
        return turned

    def _lay(self, ycc: F32, sprite: teeth.Sprite, place: F64) -> None:
        k = 1 / self.density
        shift = (0.5 * k - teeth.HALF_WIDTH, 0.5 * k + teeth.TOP)
        matrix = np.column_stack([place[:, :2] * k, place[:, :2] @ shift + place[:, 2]])
        size = ycc.shape[1], ycc.shape[0]
        cover = placed(sprite.cover, matrix, size, cv2.BORDER_CONSTANT)[..., None]
        picture = placed(sprite.ycc, matrix, size, cv2.BORDER_REPLICATE)
        ycc += cover * (picture - ycc)

    def _shade(self, open_: F32) -> F32:
        """How much light falls in: little through a slit, least right behind the upper lip."""
        x, y = np.rint(0.007 * self.down).astype(int)
        wide = np.roll(blurred(open_, 0.016 * self.size), (int(y), int(x)), axis=(0, 1))
        lit = 0.25 + 0.75 * smoothstep(0.12, 0.62, wide)
        return np.asarray(lit, np.float32)


def _area(rig: Rig, plate: Plate) -> Area:
    line, (side, above, below) = rig.line, _MARGIN
    u = np.array([line.u[0] - side, line.u[-1] + side])
    v = np.array([line.upper.min() - above, line.lower.max() + below])
    middle = (line.upper_px[20] + line.lower_px[20]) / 2
    corner_u, corner_v = np.meshgrid(u - line.u[20], v - (line.upper[20] + line.lower[20]) / 2)
    points = middle + rig.head.in_picture(corner_u.ravel(), corner_v.ravel())
    return around(points.min(axis=0), points.max(axis=0), 2, plate.width, plate.height)


def _replaced(rig: Rig, fields: F32, frontal: F64, side: str) -> F32:
    """`fields` with the mouth's movements taken from one sheet."""
    own = mouth_fields(rig.head, rig.mouth, frontal, "upper" if side == "upper" else "lower")
    replaced = fields.copy()
    for name, field in own.items():
        replaced[MOVEMENTS.index(name)] = field
    return replaced
