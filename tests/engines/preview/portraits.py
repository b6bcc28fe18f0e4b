"""Portraits to try things on: the one that we ship, and a drawing made here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]

SHIPPED = Path(__file__).parents[3] / "fixtures" / "portrait.png"


@cache
def shipped() -> RGB:
    """A photo with an open smile, 512×512."""
    picture = cv2.imread(str(SHIPPED), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.ascontiguousarray(picture[:, :, ::-1])


@cache
def drawing() -> RGB:
    """A flat drawing of a face with closed lips, 800×800."""
    canvas = _Canvas(800, (214, 196, 170))
    skin, shade, hair = (240, 206, 176), (222, 182, 150), (92, 58, 40)
    canvas.ellipse((400, 390), (235, 290), hair)
    canvas.polygon([(330, 560), (470, 560), (480, 720), (320, 720)], shade)
    canvas.ellipse((400, 800), (260, 120), (60, 80, 120))
    canvas.ellipse((400, 420), (170, 225), skin)
    for x in (228, 572):
        canvas.ellipse((x, 430), (22, 42), skin)
    canvas.polygon([(215, 300), (260, 190), (400, 150), (540, 190), (585, 300), (400, 285)], hair)
    for x in (325, 475):
        _eye(canvas, x)
    canvas.line([(400, 420), (392, 480), (382, 500)], (215, 175, 150), 3)
    canvas.line(_arc(378, 424, lambda t: 505 + 8 * t), (185, 140, 120), 4)
    upper = _arc(340, 460, lambda t: 560 - 16 * t)
    lower = _arc(340, 460, lambda t: 560 + 24 * t)
    canvas.polygon([*upper, *lower[::-1]], (205, 105, 105))
    canvas.line(_arc(338, 462, lambda t: 560 + 2 * t), (110, 50, 60), 4)
    return canvas.finished()


def _eye(canvas: _Canvas, x: float) -> None:
    upper = _arc(x - 38, x + 38, lambda t: 410 - 24 * t)
    lower = _arc(x - 38, x + 38, lambda t: 410 + 18 * t)
    canvas.polygon([*upper, *lower[::-1]], (250, 248, 245))
    canvas.ellipse((x, 406), (18, 20), (60, 90, 110))
    canvas.ellipse((x, 406), (9, 10), (20, 20, 20))
    canvas.line(_arc(x - 40, x + 40, lambda t: 410 - 25 * t), (45, 35, 30), 5)
    canvas.line(_arc(x - 36, x + 36, lambda t: 411 + 18 * t), (165, 130, 110), 2)
    canvas.line(_arc(x - 45, x + 45, lambda t: 354 - 14 * t), (90, 62, 50), 9)


def _arc(x0: float, x1: float, height: Callable[[Any], Any]) -> list[tuple[float, float]]:
    """Points of a curve over [x0, x1]; `height` is given 1 in the middle and 0 at the ends."""
    at = np.linspace(-1, 1, 41)
    return list(zip(np.linspace(x0, x1, 41), height(1 - at**2), strict=True))


class _Canvas:
    """Drawn four times as large, so that its lines are smooth."""

    def __init__(self, side: int, colour: tuple[int, int, int]) -> None:
        self._side = side
        self._picture = np.full((4 * side, 4 * side, 3), colour, np.uint8)

    def _points(self, points: Any) -> npt.NDArray[np.int32]:
        return np.rint(np.array(points, np.float64) * 64).astype(np.int32)

    def ellipse(self, centre: Any, axes: Any, colour: tuple[int, int, int]) -> None:
        middle, radii = (tuple(int(v) for v in self._points(p)) for p in (centre, axes))
        cv2.ellipse(self._picture, middle, radii, 0, 0, 360, colour, -1, cv2.LINE_AA, 4)

    def polygon(self, points: Any, colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(self._picture, [self._points(points)], colour, cv2.LINE_AA, 4)

    def line(self, points: Any, colour: tuple[int, int, int], width: int) -> None:
        line = self._points(points)
        cv2.polylines(self._picture, [line], False, colour, 4 * width, cv2.LINE_AA, 4)

    def finished(self) -> RGB:
        size = self._side, self._side
        return np.asarray(cv2.resize(self._picture, size, interpolation=cv2.INTER_AREA), np.uint8)
