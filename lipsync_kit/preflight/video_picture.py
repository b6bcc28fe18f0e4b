"""What a prepared picture looks like, and why a video has to be encoded anew to get there.

Pure. The least is done: a video that is within all bounds is copied packet by packet.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lipsync_kit.catalog import VideoLimits
from lipsync_kit.errors import InputError
from lipsync_kit.preflight.video_footage import UPRIGHT, Footage
from lipsync_kit.preflight.video_rate import Grid

PLAIN_FORMATS = ("yuv420p", "yuvj420p")


@dataclass(frozen=True)
class Picture:
    """Width and height of a prepared picture, in pixels, both even."""

    width: int
    height: int


def fit(footage: Footage, limits: VideoLimits) -> Picture:
    """The video's own size, or the nearest one of its shape within the limits.

    Raises :class:`~lipsync_kit.errors.InputError` for a shape that can't be within them.
    """
    width, height = footage.shown
    zoom = min(
        Fraction(1),
        Fraction(limits.max_long, max(width, height)),
        Fraction(limits.max_short, min(width, height)),
    )
    zoom = max(zoom, Fraction(limits.min_side, min(width, height)))
    if max(width, height) * zoom > limits.max_long:
        raise InputError(
            f"{footage.path}: {width}×{height} is too long a strip: no size of this shape has "
            f"sides from {limits.min_side} to {limits.max_long} pixels.",
            code="video_shape",
            hint="Crop it to the person.",
            width=width,
            height=height,
        )
    return Picture(_even(width * zoom, zoom > 1), _even(height * zoom, zoom > 1))


def _even(side: Fraction, up: bool) -> int:
    """The even number at or below ``side``, above it when the picture is widened."""
    return int(-(-side // 2) if up else side // 2) * 2


def reasons(footage: Footage, grid: Grid, picture: Picture) -> list[str]:
    """Why the video can't be copied as it is, in words; none when it can.

    Each goes into the sentence "Encoded anew: it is ...".
    """
    found = misfits(footage, grid, picture)
    if footage.codec != "h264":
        return [f"{_CODECS.get(footage.codec, footage.codec)}, not H.264", *found]
    if not found and not footage.copyable:
        return ["in packets that can't be copied into an MP4"]
    return found


def misfits(footage: Footage, grid: Grid, picture: Picture) -> list[str]:
    """What of the picture itself is out of bounds, whatever its codec."""
    found = []
    if footage.colour.name:
        found.append(footage.colour.name)
    if footage.pixel_format not in PLAIN_FORMATS:
        found.append(f"not 8-bit 4:2:0 but {footage.pixel_format}")
    if footage.turn != UPRIGHT:
        found.append(str(footage.turn))
    if footage.pixel_aspect != 1:
        found.append("of pixels that are not square")
    if footage.interlaced:
        found.append("interlaced")
    if (picture.width, picture.height) != footage.shown:
        width, height = footage.shown
        found.append(f"{width}×{height}, made {picture.width}×{picture.height}")
    if not grid.exact:
        found.append(f"not at a constant {rate_text(grid.fps)} frames a second")
    return found


def rate_text(fps: Fraction) -> str:
    """A frame rate as a person reads it: ``25``, ``29.97``."""
    return f"{float(fps):.3f}".rstrip("0").rstrip(".")


_CODECS = {
    "hevc": "HEVC",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
    "libdav1d": "AV1",
    "prores": "ProRes",
    "mjpeg": "Motion JPEG",
    "mpeg4": "MPEG-4 Visual",
    "gif": "a GIF",
}
