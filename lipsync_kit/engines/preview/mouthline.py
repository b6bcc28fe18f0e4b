"""Where the lips meet in the portrait, or how far apart they are.

Landmarks are off by a hundredth of the face, which is half a lip. The line between closed lips
is the darkest line near them, and is found in the picture itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.head import Head
from lipsync_kit.engines.preview.sampling import blurred, sampled
from lipsync_kit.face.topology import LOWER_LIP, UPPER_LIP

F64 = npt.NDArray[np.float64]

POINTS: Final = 41  # points of a contour, corners included
_CLOSED: Final = 0.016  # face heights between the inner lips up to which they may be closed
_PARTED: Final = 0.035  # from which they are surely open
_SMILE: Final = 0.04  # face heights between the lips from which whole teeth show
_REACH: Final = 0.026  # face heights up and down in which the line is searched
_STEPS: Final = 53
_DEEPER: Final = 0.12  # face heights in which an open mouth's lower lip is searched
_STRIP: Final = 0.2  # of the searched height: a strip of teeth is at least this high


@dataclass(frozen=True, eq=False)
class MouthLine:
    """The inner edge of the upper and of the lower lip, left corner to right corner.

    `u` (41,): frontal, rising. `upper`, `lower` (41,): frontal v; equal where lips touch.
    `upper_px`, `lower_px` (41, 2): the same points in the picture.
    """

    u: F64
    upper: F64
    lower: F64
    upper_px: F64
    lower_px: F64

    @property
    def gap(self) -> float:
        """Largest distance between the lips, in face heights; 0 when closed."""
        return float((self.lower - self.upper).max())

    @property
    def smiles(self) -> bool:
        """Whether the portrait shows its teeth whole, and not just a glimpse of them."""
        return self.gap > _SMILE

    @property
    def middle(self) -> float:
        """Frontal u of the middle between the corners."""
        return float(self.u[0] + self.u[-1]) / 2

    @property
    def half_width(self) -> float:
        """Half the distance between the corners, in face heights."""
        return float(self.u[-1] - self.u[0]) / 2


def find_mouth_line(head: Head, rgb: npt.NDArray[np.uint8]) -> MouthLine:
    """The lips' inner edges of a portrait (h, w, 3)."""
    upper, upper_px = _curve(head, UPPER_LIP[-1])
    lower, lower_px = _curve(head, LOWER_LIP[-1])
    u = (upper[:, 0] + lower[:, 0]) / 2
    gap = float((lower[:, 1] - upper[:, 1]).max())
    if gap > _PARTED or (gap > _CLOSED and not _only_lips(head, rgb)):
        down = head.axes[1, :2] * head.size
        further = _dark_below(rgb, (upper_px + lower_px) / 2, lower_px, down)
        edge = np.maximum(lower[:, 1], upper[:, 1]) + further
        return MouthLine(u, upper[:, 1], edge, upper_px, lower_px + further[:, None] * down)
    seam, seam_px = (upper[:, 1] + lower[:, 1]) / 2, (upper_px + lower_px) / 2
    down = head.axes[1, :2] * head.size
    top, bottom = _between_lips(rgb, seam_px, down)
    upper_px, lower_px = (seam_px + offset[:, None] * down for offset in (top, bottom))
    return MouthLine(u, seam + top, seam + bottom, upper_px, lower_px)


def _only_lips(head: Head, rgb: npt.NDArray[np.uint8]) -> bool:
    """Whether what lies between the inner lips looks like lips: no teeth, no dark."""
    between = _median_lab(head, rgb, UPPER_LIP[-1], LOWER_LIP[-1])
    lips = [_median_lab(head, rgb, rows[0], rows[-1]) for rows in (UPPER_LIP, LOWER_LIP)]
    light = between[0] / max(1.0, min(lip[0] for lip in lips))
    return bool(0.6 < light < 1.05 and between[1] > np.mean([lip[1] for lip in lips]) - 5)


def _median_lab(
    head: Head, rgb: npt.NDArray[np.uint8], above: tuple[int, ...], below: tuple[int, ...]
) -> F64:
    """Median L*a*b*, each in 0..255, between two rows of landmarks, without their ends."""
    outline = np.rint(head.landmarks[[*above[2:-2], *below[-3:1:-1]], :2]).astype(np.int32)
    x, y, w, h = cv2.boundingRect(outline)
    x, y = max(x, 0), max(y, 0)
    cut = rgb[y : y + h, x : x + w]
    mask = np.zeros(cut.shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline - (x, y)], 1)
    if not mask.any():
        return np.zeros(3)
    return np.asarray(np.median(cv2.cvtColor(cut, cv2.COLOR_RGB2LAB)[mask > 0], axis=0), np.float64)


def _curve(head: Head, row: tuple[int, ...]) -> tuple[F64, F64]:
    """A smooth curve through a row of landmarks: frontal (41, 2) and in the picture (41, 2)."""
    ids = list(row)
    frontal = head.frontal[ids, :2]
    at = (frontal[:, 0] - frontal[0, 0]) / (frontal[-1, 0] - frontal[0, 0]) * 2 - 1
    weights = np.ones(len(ids))
    weights[[0, -1]] = 20  # the corners are meant exactly
    values = np.column_stack([frontal, head.landmarks[ids, :2]])
    polynomial = np.polynomial.chebyshev.chebfit(at, values, 6, w=weights)
    smooth = np.polynomial.chebyshev.chebval(np.linspace(-1, 1, POINTS), polynomial).T
    return np.asarray(smooth[:, :2]), np.asarray(smooth[:, 2:])


def _dark_below(rgb: npt.NDArray[np.uint8], middle: F64, lower_px: F64, down: F64) -> F64:
    """How far, in face heights (41,), an open mouth's dark goes on below the lower lip's edge.

    Landmarks of a mouth that is wide open stop short of its lip.
    """
    offsets = np.linspace(0, _DEEPER, 49)
    sigma = max(0.6, float(np.linalg.norm(down)) / 200)
    luma = blurred(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8), sigma)
    strip = sampled(luma, lower_px[:, None, :] + offsets[None, :, None] * down).astype(np.float64)
    inside = sampled(luma, middle[None]).astype(np.float64)[0]
    centre = slice(POINTS // 4, -(POINTS // 4))
    dark, lip = float(np.median(inside[centre])), float(np.percentile(strip[centre], 80))
    if dark > 0.7 * lip:
        return np.zeros(POINTS)
    light = strip > (dark + lip) / 2
    found = np.where(light.any(axis=1), offsets[light.argmax(axis=1)], 0.0)
    arch = 1 - np.linspace(-1, 1, POINTS) ** 2
    return np.asarray(arch**0.6 * np.median(found[centre]))


def _between_lips(rgb: npt.NDArray[np.uint8], line: F64, down: F64) -> tuple[F64, F64]:
    """Offsets (41,) from `line`, in face heights along `down`, of the upper and the lower lip.

    Both are the darkest path near the line; or, when a strip between two dark paths is less
    red than the lips and lighter than the paths, there are teeth between them.
    """
    offsets = np.linspace(-_REACH, _REACH, _STEPS)
    where = line[:, None, :] + offsets[None, :, None] * down
    soft = blurred(rgb, max(0.6, float(np.linalg.norm(down)) / 400))
    lab = cv2.cvtColor(sampled(soft, where), cv2.COLOR_RGB2LAB).astype(np.float64)
    contrast = max(float(lab[..., 0].std()), 1.0)
    cost = lab[..., 0] / contrast + 0.6 * (offsets / _REACH) ** 2
    first = cheapest_path(cost, 0.35)
    apart = np.arange(_STEPS)[None, :] - first[:, None]
    for side in (-1, 1):
        beyond = np.where(side * apart >= _STRIP * _STEPS, cost, cost + 100)
        second = cheapest_path(beyond, 0.35)
        if (side * (second - first) > 0).all() and _shows_teeth(lab, first, second):
            closing = np.clip(1.6 * (1 - np.linspace(-1, 1, POINTS) ** 2), 0, 1)
            found = _smooth(offsets[first])
            other = found + closing * (_smooth(offsets[second]) - found)
            return (other, found) if side < 0 else (found, other)
    return _smooth(offsets[first]), _smooth(offsets[first])


def _smooth(path: F64) -> F64:
    kernel = np.array([1.0, 4, 6, 4, 1]) / 16
    return np.convolve(np.pad(path, 2, "edge"), kernel, "valid")


def _shows_teeth(lab: F64, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]) -> bool:
    """Whether teeth lie between two paths through a strip (41, steps, 3) of L*a*b* in 0..255."""
    strip, dark, lips = [], [], []
    for column in range(POINTS // 3, POINTS - POINTS // 3):
        low, high = sorted((int(first[column]), int(second[column])))
        if high - low < 3:
            return False
        strip.append(lab[column, low + 1 : high].mean(axis=0))
        dark.append((lab[column, low, 0] + lab[column, high, 0]) / 2)
        lips.append(np.concatenate([lab[column, : low - 1, 1], lab[column, high + 2 :, 1]]).mean())
    between = np.mean(strip, axis=0)
    return bool(between[0] > np.mean(dark) + 8 and between[1] < np.mean(lips) - 10)


def cheapest_path(cost: F64, bend: float) -> npt.NDArray[np.intp]:
    """The path through the columns of `cost` (columns, steps) with the least sum.

    A path costs `bend` more for each step that it moves between neighbouring columns, and may
    move two (dynamic programming). Returns one step per column.
    """
    columns, steps = cost.shape
    total = cost[0].copy()
    came = np.zeros((columns, steps), np.intp)
    shifts = (-2, -1, 0, 1, 2)
    for column in range(1, columns):
        before = np.full((len(shifts), steps), np.inf)
        for row, shift in enumerate(shifts):
            low, high = max(0, -shift), steps - max(0, shift)
            before[row, low:high] = total[low + shift : high + shift] + bend * abs(shift)
        best = before.argmin(axis=0)
        came[column] = np.arange(steps) + np.asarray(shifts)[best]
        total = before[best, np.arange(steps)] + cost[column]
    path = np.empty(columns, np.intp)
    path[-1] = total.argmin()
    for column in range(columns - 1, 0, -1):
        path[column - 1] = came[column, path[column]]
    return path
