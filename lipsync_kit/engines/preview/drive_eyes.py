"""Where the eyes look: the eyeball slides behind the lids.

What a portrait shows of an eyeball is cut out by the lids. It is completed once: the iris to a
whole disc, from its own colours at each distance from its middle, and the white around it. Then
it may be moved under an opening that stays where the lids are, or that opens wider.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.drive_filter import limited
from lipsync_kit.engines.preview.grid import Grid, around
from lipsync_kit.engines.preview.masks import filled
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate
from lipsync_kit.engines.preview.pose import applied
from lipsync_kit.engines.preview.rig import Rig
from lipsync_kit.engines.preview.sampling import halved, sampled
from lipsync_kit.face import Eye, Face, find_eyes

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_FAR: Final = (0.26, 0.10)  # eye widths that an iris may go to a side, and up or down
_RIM: Final = 0.025  # eye widths of the opening's rim, where lashes and shadow are: left alone
_RADII: Final = (0.13, 0.34)  # of the iris, in eye widths; anything else was not an iris
_LIMBUS: Final = 1.30  # radii of the iris at which the white has begun
_SOFT_SHARE: Final = 0.012  # of an eye's width that the edge of its opening is soft
_SOFT: Final = 1.5  # of that softness by which more of the eyeball is kept than is shown
_RINGS: Final = 24
_LEAST_OPEN: Final = 0.12


@dataclass(frozen=True, eq=False)
class Ball:
    """One eyeball and the opening through which it is seen.

    `whole`: the portrait with its eyeballs completed. `outline` (n, 2): of the opening, pixels,
    the upper lid's `upper` points first; `outline_fields` (movements, n, 2): how it goes with
    the face. `across`, `down`: pixels per eye width.
    """

    whole: Plate
    grid: Grid
    nodes: F32
    outline: F32
    outline_fields: F32
    upper: int
    across: F64
    down: F64

    def draw(
        self, gaze: tuple[float, float], wider: float, weights: F32, rig: Rig, seen: F32,
        luma: U8, chroma: U8,
    ) -> None:  # fmt: skip
        """Draw the eyeball over a frame's luma (h, w) and chroma (h/2, w/2, 2), in place.

        `gaze`: eye widths to the right and down. `wider`: how far the upper lid is raised, of
        the opening's height. `seen`: where each node of the rig's grid is seen from.
        """
        moved = applied(weights, self.outline_fields)
        carried = self._carried(moved)
        at = (carried.nodes - rig.nodes[0, 0]) / rig.grid.step
        where = sampled(seen, at) - carried._shift(gaze)
        ball = carried.grid.sample(self.whole, where)
        opening = (self.outline + moved).astype(np.float64)
        opening[: self.upper] -= max(wider, 0.0) * self._heights[:, None] * self.down
        soft = max(0.6, _SOFT_SHARE * float(np.linalg.norm(self.across)))
        cover = filled(carried.grid.area, opening, soft)
        for own, plane, rows, mask in (
            (ball[0], luma, carried.grid.area.luma, cover),
            (ball[1], chroma, carried.grid.area.chroma, halved(cover)[..., None]),
        ):
            below = plane[rows].astype(np.float32)
            plane[rows] = np.rint(below + mask * (own - below)).astype(np.uint8)

    @property
    def _heights(self) -> F64:
        """Of the opening under each point of the upper lid, in eye widths."""
        lower = self.outline[self.upper :][::-1]
        unit = self.down / float(self.down @ self.down)
        return np.asarray((lower - self.outline[: self.upper]) @ unit)

    def _shift(self, gaze: tuple[float, float]) -> F32:
        x, y = (float(limited(g, far)) for g, far in zip(gaze, _FAR, strict=True))
        return (x * self.across + y * self.down).astype(np.float32)

    def _carried(self, moved: F32) -> Ball:
        """The same with its area where the head has taken it, in whole even pixels."""
        area = self.grid.area
        x, y = (2 * round(float(v) / 2) for v in moved.mean(axis=0))
        x = max(-area.x0, min(x, (self.whole.width - area.x1) // 2 * 2))
        y = max(-area.y0, min(y, (self.whole.height - area.y1) // 2 * 2))
        grid = Grid(area.carried(x, y), self.grid.step)
        return replace(self, grid=grid, nodes=grid.nodes())


def find_balls(rig: Rig, plate: Plate, face: Face) -> tuple[Ball | None, Ball | None]:
    """The picture's left and right eyeball; None where no iris can be told."""
    whole = replace(plate, fine=plate.fine.copy(), chroma=plate.chroma.copy())
    left, right = (_ball(rig, whole, eye) for eye in find_eyes(plate.rgb, face))
    return left, right


def _ball(rig: Rig, whole: Plate, eye: Eye) -> Ball | None:
    share = eye.radius / eye.width
    if not _RADII[0] < share < _RADII[1] or eye.openness < _LEAST_OPEN:
        return None
    across = (eye.upper[-1] - eye.upper[0]).astype(np.float64)
    down = np.array([-across[1], across[0]])
    upper, lower = _opening(eye, down)
    outline = np.concatenate([upper, lower[::-1]])
    grown = _SOFT * down / eye.width * max(1.0, eye.width * _SOFT_SHARE)
    _complete(whole, eye, np.concatenate([upper - grown, lower[::-1] + grown]))
    margin = 0.25 * eye.width
    step = 2 * max(1, round(eye.width / 60))
    area = around(
        outline.min(axis=0) - margin, outline.max(axis=0) + margin, 2, whole.width, whole.height
    )
    grid = Grid(area, step)
    fields = rig.at(outline)
    return Ball(
        whole, grid, grid.nodes(), outline.astype(np.float32), fields, len(upper), across, down
    )


def _opening(eye: Eye, down: F64) -> tuple[F64, F64]:
    """The lids' edges without their rim, (25, 2) each, from corner to corner."""
    at, fine = np.linspace(0, 1, len(eye.upper)), np.linspace(0, 1, 25)
    upper, lower = (
        np.stack([np.interp(fine, at, row[:, k]) for k in (0, 1)], axis=-1)
        for row in (eye.upper, eye.lower)
    )
    unit = down / float(down @ down)
    gap = np.maximum((lower - upper) @ unit, 0)
    rim = np.minimum(_RIM, 0.3 * gap)[:, None] * down
    return upper + rim, lower - 0.5 * rim


def _complete(whole: Plate, eye: Eye, outline: F64) -> None:
    """Paint, in place, the eyeball on into the skin around the opening."""
    for plane, zoom, offset in ((whole.fine, 2.0, 0.0), (whole.chroma, 0.5, -0.25)):
        reach = 0.75 * eye.width
        low = np.maximum(np.floor((eye.iris - reach) * zoom).astype(int), 0)
        high = np.ceil((eye.iris + reach) * zoom).astype(int) + 1
        part = plane[low[1] : high[1], low[0] : high[0]]
        rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
        xy = (np.stack([columns, rows], axis=-1) + low - offset) / zoom
        inside = _within(outline * zoom + offset - low, part.shape[:2])
        away = np.linalg.norm(xy - eye.iris, axis=-1) / eye.radius
        values = part.astype(np.float64).reshape(*part.shape[:2], -1)
        painted = _by_distance(values, away, inside)
        keep = inside[..., None]
        part[:] = np.rint(painted + keep * (values - painted)).reshape(part.shape).astype(np.uint8)


def _within(outline: F64, shape: tuple[int, ...]) -> F64:
    """1 inside an outline, 0 outside, on the samples of a plane's part."""
    from lipsync_kit.engines.preview.grid import Area

    return filled(Area(0, 0, shape[1], shape[0]), outline, 0.5).astype(np.float64)


def _by_distance(values: F64, away: F64, inside: F64) -> F64:
    """What lies at each distance from the iris's middle, from what is visible of it."""
    seen = inside > 0.99
    white = np.median(
        values[seen & (away > _LIMBUS)] if (seen & (away > _LIMBUS)).any() else values[seen], axis=0
    )
    rings = np.linspace(0, _LIMBUS, _RINGS + 1)
    middles = (rings[1:] + rings[:-1]) / 2
    found = [
        (middle, np.median(values[ring], axis=0))
        for middle, a, b in zip(middles, rings, rings[1:], strict=False)
        if (ring := seen & (away >= a) & (away < b)).sum() >= 3
    ]
    if not found:
        return np.broadcast_to(white, values.shape)
    at = [middle for middle, _ in found]
    channels = np.stack([value for _, value in found], axis=0).T
    disc = np.stack([np.interp(away, at, channel) for channel in channels], axis=-1)
    outside = smoothstep(1.05, _LIMBUS, away)[..., None]
    return np.asarray(disc + outside * (white - disc))
