"""A picture as the bytes that are sent: PNG when it fits, else the best JPEG that does."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipsync_kit.catalog import ImageLimits
from lipsync_kit.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

BEST, WORST = 98, 70
FULL_CHROMA, HALF_CHROMA = 0, 2
"""Pillow's numbers for 4:4:4 and 4:2:0."""


@dataclass(frozen=True)
class Encoded:
    """The file's bytes, its suffix, and in words how it was encoded."""

    data: bytes
    suffix: str
    how: str


def encode(image: Image, limits: ImageLimits) -> Encoded:
    """Encode an RGB picture within the byte limit, with the least loss.

    Raises :class:`~lipsync_kit.errors.InputError` when not even 4:2:0 at quality 70 fits.
    """
    if "png" in limits.formats:
        data = _png(image)
        if len(data) <= limits.max_bytes:
            return Encoded(data, ".png", "PNG")
    for chroma, name in ((FULL_CHROMA, "4:4:4"), (HALF_CHROMA, "4:2:0")):
        found = _best_quality(image, chroma, limits.max_bytes)
        if found is not None:
            quality, data = found
            return Encoded(data, ".jpg", f"JPEG, quality {quality}, {name}")
    raise InputError(
        f"the picture does not fit into {limits.max_bytes / 1e6:g} MB at "
        f"{image.width} × {image.height}.",
        code="image_bytes",
        hint="Use a smaller picture.",
    )


def _best_quality(image: Image, chroma: int, most: int) -> tuple[int, bytes] | None:
    """The highest quality whose file is at most ``most`` bytes, by bisection."""
    best: tuple[int, bytes] | None = None
    low, high = WORST, BEST
    while low <= high:
        # The first try is the best quality: it nearly always fits.
        quality = high if best is None and high == BEST else (low + high) // 2
        data = _jpeg(image, quality, chroma)
        if len(data) <= most:
            best, low = (quality, data), quality + 1
        else:
            high = quality - 1
    return best


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _jpeg(image: Image, quality: int, chroma: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=chroma)
    return buffer.getvalue()
