"""Where a picture goes within a model's bounds: scale, padding or crop. Pure arithmetic.

Bounds hold in either orientation, so a picture can be kept whole, without padding, while its
long side is at most (longest allowed ÷ shortest allowed) times its short one: 4 times for
480…1920 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_kit.catalog import ImageLimits

Size = tuple[int, int]
Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""

READABLE_FACE = 160
"""Pixels from forehead to chin that a face should keep when a strip is padded."""

TALLEST_CROP = 16 / 9
"""A strip is never cropped below this aspect, however small its face."""


@dataclass(frozen=True)
class Fit:
    """What to do, in order: cut out ``crop``, scale that to ``scaled``, centre it on ``canvas``.

    ``crop``: left, top, right, bottom in source pixels. ``canvas`` is ``scaled`` unless padded.
    """

    crop: tuple[int, int, int, int]
    scaled: Size
    canvas: Size

    @property
    def scale(self) -> float:
        """Pixels out per pixel in."""
        return self.scaled[0] / (self.crop[2] - self.crop[0])

    @property
    def padded(self) -> bool:
        """Whether there are bars."""
        return self.canvas != self.scaled

    def cropped(self, size: Size) -> bool:
        """Whether something of a picture of ``size`` was cut away."""
        return self.crop != (0, 0, *size)


def needs_face(size: Size, limits: ImageLimits) -> bool:
    """Whether the fit depends on where the face is: only a strip's does."""
    return max(size) > _widest(limits) * min(size)


def fit(size: Size, limits: ImageLimits, face: Box | None = None) -> Fit:
    """Place a picture of ``size`` (width, height) within ``limits``, never distorted.

    ``face``: the main face's box, if one was found; only used when the picture is a strip.
    """
    whole = (0, 0, *size)
    if not needs_face(size, limits):
        return _fill(whole, limits)
    padded = _pad(size, limits)
    if face is None:
        return padded
    if _across(size, face) * padded.scale >= READABLE_FACE:
        return padded
    return _fill(_around(face, size, limits), limits)


def _widest(limits: ImageLimits) -> float:
    return limits.max_long / limits.min_side


def _fill(crop: tuple[int, int, int, int], limits: ImageLimits) -> Fit:
    """Scale a crop that fits without padding: not at all, or as little as will do."""
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    long, short = max(width, height), min(width, height)
    scale = min(1.0, limits.max_long / long, limits.max_short / short)
    scale = max(scale, limits.min_side / short)
    scaled = _clamped(width * scale, height * scale, limits)
    return Fit(crop, scaled, scaled)


def _clamped(width: float, height: float, limits: ImageLimits) -> Size:
    """Whole pixels within the bounds; rounding may not push a side over one."""
    sides = [max(limits.min_side, round(side)) for side in (width, height)]
    tops = (limits.max_long, limits.max_short)
    if sides[0] < sides[1]:
        tops = (limits.max_short, limits.max_long)
    return min(sides[0], tops[0]), min(sides[1], tops[1])


def _pad(size: Size, limits: ImageLimits) -> Fit:
    """Keep a strip whole between two bars that lift its short side to the least allowed."""
    long = max(size)
    scale = min(1.0, limits.max_long / long)
    scale = max(scale, limits.min_side / long)
    width, height = (max(1, round(side * scale)) for side in size)
    canvas = (max(width, limits.min_side), max(height, limits.min_side))
    return Fit((0, 0, *size), (width, height), canvas)


def _across(size: Size, face: Box) -> float:
    """The face's height, or for what sticks out of a strip, its height inside."""
    return min(face[3], float(size[1]))


def _around(face: Box, size: Size, limits: ImageLimits) -> tuple[int, int, int, int]:
    """The widest stretch of a strip, around the face, in which the face is readable."""
    lying = size[0] > size[1]
    short, long = min(size), max(size)
    aspect = _widest(limits)
    while aspect > TALLEST_CROP:
        crop = (0, 0, int(aspect * short), short)
        if face[3] * _fill(crop, limits).scale >= READABLE_FACE:
            break
        aspect -= 0.05
    span = min(long, int(max(aspect, TALLEST_CROP) * short))
    centre = face[0] + face[2] / 2 if lying else face[1] + face[3] / 2
    start = int(min(max(0.0, centre - span / 2), long - span))
    if lying:
        return start, 0, start + span, size[1]
    return 0, start, size[0], start + span
