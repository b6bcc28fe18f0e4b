"""The inside of a mouth, drawn once per portrait: cavity, tongue and two rows of teeth.

Sizes are those of an adult, in face heights (1 mm is about 0.0054). Colours follow the
portrait: teeth take the light on the whites of the eyes and on the skin, tongue and cavity the
tint of the lips, so a sepia print or a blue night scene keeps its colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.head import Head
from lipsync_kit.engines.preview.movements import smoothstep
from lipsync_kit.engines.preview.plate import Plate, to_ycc
from lipsync_kit.engines.preview.sampling import blurred
from lipsync_kit.face import topology

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

_HALF_WIDTH: Final = 0.20  # of a sprite, face heights from the middle of the closed lips
_TOP: Final = -0.09
_BOTTOM: Final = 0.15

# Widths of the teeth from the middle outwards, as seen from the front: the arch turns away.
_UPPER: Final = (0.044, 0.034, 0.032, 0.024, 0.017)
_LOWER: Final = (0.027, 0.029, 0.031, 0.026, 0.019)
_UPPER_EDGE: Final = (0.0165, 0.0135, 0.0150, 0.0105, 0.0070)  # below the closed lips' line
_LOWER_EDGE: Final = (0.0145, 0.0140, 0.0140, 0.0165, 0.0195)  # likewise, moving with the jaw


@dataclass(frozen=True, eq=False)
class Colours:
    """Y, Cb, Cr of what is inside a mouth under the portrait's light."""

    teeth: F64
    tongue: F64
    cavity: F64


@dataclass(frozen=True, eq=False)
class Sprite:
    """A picture to lay over others: `ycc` (h, w, 3) and `cover` (h, w), 0 to 1.

    `middle`: where the middle of the closed lips lies in it, column and row.
    """

    ycc: F32
    cover: F32
    middle: F64

    def softened(self, sigma: float) -> Sprite:
        """The same under a Gaussian; sigma in its own pixels."""
        return Sprite(blurred(self.ycc, sigma), blurred(self.cover, sigma), self.middle)


def colours_of(head: Head, plate: Plate) -> Colours:
    """Colours from the skin around the mouth, the lips and the whites of the eyes."""
    ycc = to_ycc(blurred(plate.rgb, max(0.8, head.size / 150)))
    skin = np.median(_at(ycc, head, (50, 280, 205, 425, 101, 330, 199)), axis=0)
    lips = np.median(_at(ycc, head, (0, 37, 267, 17, 84, 314, 85, 315)), axis=0)
    white = _whites(ycc, head, float(skin[0]))
    luma = max(white, 0.95 * float(skin[0])) + 10
    tint = skin - (0, 128, 128)
    teeth = np.array([np.clip(luma, 70, 218), 128 + 0.42 * tint[1], 128 + 0.30 * tint[2]])
    flesh = 0.5 * (lips + skin)
    red = lips[1:] - 128
    tongue = np.array([16 + 0.55 * (flesh[0] - 16), *(128 + 0.85 * red)])
    cavity = np.array([16 + 0.09 * (skin[0] - 16), *(128 + 0.35 * red)])
    return Colours(teeth, tongue, cavity)


def _at(ycc: F32, head: Head, ids: tuple[int, ...]) -> F64:
    height, width = ycc.shape[:2]
    xy = np.rint(head.landmarks[list(ids), :2]).astype(int)
    rows, columns = np.clip(xy[:, 1], 0, height - 1), np.clip(xy[:, 0], 0, width - 1)
    return np.asarray(ycc[rows, columns], np.float64)


def _whites(ycc: F32, head: Head, fallback: float) -> float:
    """Luma of the lighter parts of both eyes, or of the skin when they are in the dark."""
    mask = np.zeros(ycc.shape[:2], np.uint8)
    for upper, lower in topology.EYES:
        outline = head.landmarks[[*upper, *lower[-2:0:-1]], :2]
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    inside = ycc[..., 0][mask > 0]
    return max(float(np.percentile(inside, 85)), 0.8 * fallback) if inside.size else fallback


def softness_of(head: Head, plate: Plate) -> float:
    """How soft the portrait is, as the sigma in pixels that makes a sharp drawing fit it.

    Judged by detail of one pixel against detail of two around the mouth and the eyes.
    """
    reach = max(4, round(0.1 * head.size))
    fine, coarse = 0.0, 0.0
    for x, y in np.rint(head.landmarks[[13, 159, 386], :2]).astype(int):
        low = max(0, y - reach), max(0, x - reach)
        around = plate.luma[low[0] : y + reach, low[1] : x + reach].astype(np.float32)
        if around.size == 0:
            continue
        once = blurred(around, 1.0)
        fine += float(((around - once) ** 2).mean())
        coarse += float(((once - blurred(around, 2.0)) ** 2).mean())
    return float(np.clip(0.4 + 2.2 * (0.95 - np.sqrt(fine / max(coarse, 1e-3))), 0.4, 1.6))


def upper_teeth(colours: Colours, density: float, half_width: float) -> Sprite:
    """The upper row; `density` is pixels per face height, `half_width` the mouth's."""
    return _row(colours.teeth, _UPPER, _UPPER_EDGE, 1.0, density, _fit(half_width))


def lower_teeth(colours: Colours, density: float, half_width: float) -> Sprite:
    """The lower row, darker: it stands in the lip's shadow."""
    colour = colours.teeth * (0.62, 1, 1) + (0.38 * 16, 0, 0)
    return _row(colour, _LOWER, _LOWER_EDGE, -1.0, density, _fit(half_width))


def _fit(half_width: float) -> float:
    return float(np.clip(half_width / 0.155, 0.75, 1.1))


def _axes(density: float) -> tuple[F64, F64]:
    u = (np.arange(round(2 * _HALF_WIDTH * density)) + 0.5) / density - _HALF_WIDTH
    v = (np.arange(round((_BOTTOM - _TOP) * density)) + 0.5) / density + _TOP
    return np.asarray(u[None, :]), np.asarray(v[:, None])


def _sprite(ycc: F32, cover: F64, density: float) -> Sprite:
    middle = density * np.array([_HALF_WIDTH, -_TOP]) - 0.5
    return Sprite(ycc, cover.astype(np.float32), middle)


def _row(
    colour: F64,
    widths: tuple[float, ...],
    edges: tuple[float, ...],
    direction: float,
    density: float,
    fit: float,
) -> Sprite:
    """A row of teeth; `direction` is +1 when their edges look down, −1 when up."""
    u, v = _axes(density)
    away = np.abs(u) / fit
    bounds = np.concatenate([[0], np.cumsum(widths)])
    index = np.clip(np.searchsorted(bounds, away, side="right") - 1, 0, len(widths) - 1)
    start, width = bounds[index], np.asarray(widths)[index]
    across = np.clip((away - start) / width * 2 - 1, -1, 1)  # −1..1 over each tooth
    # Each edge is nearly straight and rounded at its ends, the outer end more.
    rounding = 0.0035 * np.abs(across) ** 5 + 0.0015 * np.maximum(across, 0) ** 3
    edge = np.asarray(edges)[index] * fit - direction * rounding
    soft = max(1.3 / density, 0.0022)
    beyond = direction * (v - edge)
    cover = 1 - smoothstep(-soft, soft, beyond)
    cover = cover * (1 - smoothstep(bounds[-1] - 0.006, bounds[-1], away))
    round_ = 1 - 0.10 * across**2
    between = 1 - 0.16 * np.exp(-((((1 - np.abs(across)) * width / 2) / 0.0016) ** 2))
    turning = 1 - 0.78 * smoothstep(0.02, bounds[-1], away)
    rim = 1 - 0.08 * np.exp(-((beyond / 0.005) ** 2))
    root = 1 - 0.25 * smoothstep(0.02, 0.06, -beyond)
    light = round_ * between * turning * rim * root
    ycc = np.empty((*light.shape, 3), np.float32)
    ycc[..., 0] = 16 + (colour[0] - 16) * light
    ycc[..., 1:] = colour[1:]
    return _sprite(ycc, np.broadcast_to(cover, light.shape), density)


def tongue(colours: Colours, density: float, half_width: float) -> Sprite:
    """The tongue at rest behind the lower teeth, moving with the jaw."""
    u, v = _axes(density)
    fit = _fit(half_width)
    across, down = u / (0.125 * fit), (v - 0.048) / 0.062
    inside = 1 - across**2 - np.minimum(down, 0) ** 2
    cover = 0.9 * smoothstep(0.0, 0.45, inside)
    groove = 1 - 0.14 * np.exp(-((u / 0.012) ** 2))
    light = (0.62 + 0.38 * smoothstep(-0.9, 0.2, down)) * groove * (1 - 0.25 * across**2)
    light = np.clip(light, 0, None)
    ycc = np.empty((*light.shape, 3), np.float32)
    ycc[..., 0] = 16 + (colours.tongue[0] - 16) * light
    ycc[..., 1:] = colours.tongue[1:]
    return _sprite(ycc, cover, density)
