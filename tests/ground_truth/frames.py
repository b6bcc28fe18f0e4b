"""Frames that say who they are: a clip number and a frame number in large blocks.

A row of 32 blocks of luma along the top of the picture: 8 bits of clip, 16 of frame, 8 of
checksum; white is 1. Below it something moves, so that encoders have work to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

BITS = 32
Plane = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Mark:
    clip: int
    frame: int


def _bits(mark: Mark) -> npt.NDArray[np.bool_]:
    check = (mark.clip * 31 + mark.frame * 7 + (mark.frame >> 8) * 13) & 255
    word = (mark.clip << 24) | (mark.frame << 8) | check
    return np.array([(word >> (BITS - 1 - i)) & 1 for i in range(BITS)], dtype=bool)


def write_mark(luma: Plane, mark: Mark) -> None:
    height, width = luma.shape
    edges = np.linspace(0, width, BITS + 1).round().astype(int)
    for bit, (left, right) in zip(_bits(mark), pairwise(edges), strict=True):
        luma[: height // 8, left:right] = 220 if bit else 30


def read_mark(luma: Plane) -> Mark | None:
    """The mark of a frame, or None when it carries none that is whole."""
    height, width = luma.shape
    edges = np.linspace(0, width, BITS + 1)
    band = luma[height // 32 : height * 3 // 32]
    word = 0
    for left, right in pairwise(edges):
        inset = (right - left) / 4
        word = word << 1 | int(band[:, int(left + inset) : int(right - inset)].mean() > 125)
    mark = Mark(word >> 24, (word >> 8) & 0xFFFF)
    return mark if (_bits(mark) == _bits_of(word)).all() else None


def _bits_of(word: int) -> npt.NDArray[np.bool_]:
    return np.array([(word >> (BITS - 1 - i)) & 1 for i in range(BITS)], dtype=bool)


def moving(mark: Mark, width: int, height: int) -> Plane:
    """A luma plane with drifting waves below the mark."""
    across = np.arange(width, dtype=np.float32)[None, :] / width
    down = np.arange(height, dtype=np.float32)[:, None] / height
    phase = mark.frame * 0.11 + mark.clip
    waves = np.sin(18 * across + phase) + np.cos(14 * down - 0.7 * phase)
    luma = (128 + 40 * waves).astype(np.uint8)
    write_mark(luma, mark)
    return luma


def numbered(clip: int, count: int, width: int, height: int) -> Iterator[Plane]:
    """I420 frames, shape (height * 3 / 2, width)."""
    chroma = np.full((height // 2, width), 118, np.uint8)
    for frame in range(count):
        yield np.concatenate([moving(Mark(clip, frame), width, height), chroma])


@dataclass(frozen=True)
class Make:
    """How a numbered clip is encoded, in ffmpeg's own words."""

    width: int = 640
    height: int = 360
    rate: Fraction = Fraction(25)
    output: tuple[str, ...] = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20")
    sound: bool = False
    filters: str = ""
    movie: tuple[str, ...] = ()


def make_clip(path: Path, clip: int, count: int, make: Make = Make()) -> Path:
    """Encode a numbered clip with the ffmpeg that the project uses."""
    return encode(path, numbered(clip, count, make.width, make.height), count, make)


def encode(path: Path, frames: Iterable[Plane], count: int, make: Make) -> Path:
    """Encode ``count`` I420 frames, shape (height * 3 / 2, width), as told."""
    import subprocess

    from lipsync_kit.media.ffmpeg import find_ffmpeg

    program, _ = find_ffmpeg()
    seconds = float(count / make.rate)
    command = [str(program), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]
    command += ["-s", f"{make.width}x{make.height}", "-r", str(make.rate), "-i", "pipe:0"]
    if make.sound:
        command += ["-f", "lavfi", "-i", f"sine=f=300:r=44100:d={seconds + 0.31}", "-c:a", "aac"]
    if make.filters:
        command += ["-vf", make.filters]
    command += ["-pix_fmt", "yuv420p", *make.output, *make.movie, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    for frame in frames:
        process.stdin.write(frame.tobytes())
    process.stdin.close()
    if process.wait():
        raise RuntimeError(f"ffmpeg failed: {command}")
    return path
