"""Where faces may be: BlazeFace over the whole picture and over ever smaller tiles of it.

The short-range detector sees faces of a fifth of its input and more. A full-body picture has
smaller ones, so the picture is also cut into overlapping squares, each looked at alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.face.networks import Tensor, probability, run

SIDE: Final = 128
_STRIDES: Final = ((8, 2), (16, 6))  # (stride of the grid, anchors per cell)
_SAME: Final = 0.3  # overlap (intersection over union) above which two boxes are one face
_SMALLEST_TILE: Final = 96  # pixels; a face in it would be too small to animate anyway

RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A possible face: box (x, y, w, h) in pixels, and both eyes' centres, shape (2, 2)."""

    score: float
    box: Tensor
    eyes: Tensor

    @property
    def roi(self) -> tuple[float, float, float, float]:
        """The tilted square for the mesh: centre x and y, side, angle in radians."""
        x, y, w, h = (float(v) for v in self.box)
        dx, dy = (float(v) for v in self.eyes[1] - self.eyes[0])
        return x + w / 2, y + h / 2, 1.5 * max(w, h), float(np.arctan2(dy, dx))


def candidates(rgb: RGB, threshold: float = 0.5) -> list[Candidate]:
    """Possible faces of a picture (h, w, 3), best score first, one per place."""
    found: list[Candidate] = []
    for x, y, side in _squares(rgb.shape[1], rgb.shape[0]):
        found += detect(rgb, x, y, side, threshold)
    return _apart(found)


def _squares(width: int, height: int) -> Iterator[tuple[int, int, int]]:
    """The whole picture in a square, then overlapping squares down to a quarter of it."""
    long, short = max(width, height), min(width, height)
    yield (width - long) // 2, (height - long) // 2, long
    sides = {short} if short < 0.8 * long else set()
    sides |= {long // 2, long // 4}
    for side in sorted(sides, reverse=True):
        if side >= _SMALLEST_TILE:
            yield from ((x, y, side) for y in _starts(height, side) for x in _starts(width, side))


def _starts(length: int, side: int) -> list[int]:
    """Starts of tiles that cover `length`, overlapping by a third; centred when too short."""
    if length <= side:
        return [(length - side) // 2]
    count = int(np.ceil((length - side) / (side * 2 / 3))) + 1
    return [round(float(s)) for s in np.linspace(0, length - side, count)]


def detect(rgb: RGB, x: int, y: int, side: int, threshold: float) -> list[Candidate]:
    """Possible faces of one square of a picture, in the picture's pixels; overlapping ones too."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    scale = SIDE / side
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    small = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    canvas[top : top + size[1], left : left + size[0]] = small / 127.5 - 1
    logits, regressed = run("face_detection_short_range.tflite", canvas)
    scores = probability(logits.ravel())
    keep = scores > threshold
    boxes, eyes = _decode(regressed.reshape(-1, 16)[keep], _anchors()[keep])
    shift = np.array([left - (x0 - x) * scale, top - (y0 - y) * scale], np.float32)
    boxes[:, :2] = (boxes[:, :2] - shift) / scale + (x, y)
    boxes[:, 2:] /= scale
    eyes = (eyes - shift) / scale + np.array((x, y), np.float32)
    return [Candidate(float(s), b, e) for s, b, e in zip(scores[keep], boxes, eyes, strict=True)]


def _decode(regressed: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) as x, y, w, h and eyes (n, 2, 2), in pixels of the network's input."""
    size = regressed[:, 2:4]
    corner = regressed[:, :2] + anchors * SIDE - size / 2
    eyes = regressed[:, 4:8].reshape(-1, 2, 2) + anchors[:, None] * SIDE
    return np.concatenate([corner, size], axis=1), eyes


@cache
def _anchors() -> Tensor:
    """Anchor centres, shape (896, 2), in units of the input's side."""
    points: list[Tensor] = []
    for stride, repeat in _STRIDES:
        centres = (np.arange(SIDE // stride, dtype=np.float32) + 0.5) * stride / SIDE
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        points.append(np.repeat(grid, repeat, axis=0))
    return np.concatenate(points)


def _apart(found: list[Candidate]) -> list[Candidate]:
    """Average what overlaps, weighted by score (BlazeFace's own non-maximum blending)."""
    rest = sorted(found, key=lambda c: -c.score)
    kept: list[Candidate] = []
    while rest:
        best = rest[0]
        same = [c for c in rest if _overlap(best.box, c.box) > _SAME]
        rest = [c for c in rest if _overlap(best.box, c.box) <= _SAME]
        weights = np.array([c.score for c in same], np.float32)
        box = np.average([c.box for c in same], axis=0, weights=weights).astype(np.float32)
        eyes = np.average([c.eyes for c in same], axis=0, weights=weights).astype(np.float32)
        kept.append(Candidate(best.score, box, eyes))
    return kept


def _overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    return shared / max(float(np.prod(a[2:]) + np.prod(b[2:])) - shared, 1e-6)
