"""What a media file says of itself, read with PyAV in milliseconds.

Container durations are hints, never truth: what decides is counted while decoding.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media.ffmpeg import input_guards

if TYPE_CHECKING:
    from av.container import InputContainer


@dataclass(frozen=True)
class SoundStream:
    """The first sound stream: codec name, samples per second, channels."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class PictureStream:
    """The first moving-picture stream: codec, pixels as stored, average rate, rotation.

    ``rotation``: degrees counter-clockwise that a player turns the picture by.
    """

    codec: str
    width: int
    height: int
    rate: Fraction | None
    frames: int
    pixel_format: str
    rotation: int


@dataclass(frozen=True)
class Probe:
    """What a file holds. ``seconds`` is the container's own claim, or ``None``."""

    path: Path
    container: str
    seconds: Fraction | None
    sound: SoundStream | None
    picture: PictureStream | None


def check_file(path: Path, what: str = "input") -> None:
    """Refuse what is not a readable, non-empty file, naming it and the way out.

    Raises :class:`~lipsync_kit.errors.InputError`.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file.", code="missing", hint=f"Check the {what}'s path.")
    if path.is_dir():
        raise InputError(
            f"{path}: a folder, not a file.", code="is_folder", hint=f"Name the {what} file itself."
        )
    if not path.is_file():
        raise InputError(f"{path}: not a regular file.", code="not_a_file")
    if path.stat().st_size == 0:
        raise InputError(
            f"{path}: empty (0 bytes).", code="empty", hint="Export or download it again."
        )
    if not os.access(path, os.R_OK):
        raise InputError(
            f"{path}: may not be read (permission denied).",
            code="unreadable",
            hint=f"Give yourself read permission: chmod u+r '{path}'.",
        )


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A PyAV container of a local media file, guarded like every ffmpeg input.

    Raises :class:`~lipsync_kit.errors.InputError` when it is not media.
    """
    import av

    check_file(path)
    try:
        container = av.open(f"file:{path}", options=input_guards())
    except av.FFmpegError as error:
        raise InputError(
            f"{path}: not a media file that can be read ({error.strerror}).",
            code="media_unreadable",
            hint="Check that it plays; export it again as WAV, MP3, M4A or MP4.",
        ) from None
    with container:
        yield container


def probe(path: Path) -> Probe:
    """Streams and formats of ``path``.

    Raises :class:`~lipsync_kit.errors.InputError` when it can't be read.
    """
    with opened(path) as container:
        seconds = Fraction(container.duration, 1_000_000) if container.duration else None
        return Probe(
            path=path,
            container=container.format.name,
            seconds=seconds,
            sound=_sound(container),
            picture=_picture(container),
        )


def _sound(container: InputContainer) -> SoundStream | None:
    if not container.streams.audio:
        return None
    context = container.streams.audio[0].codec_context
    return SoundStream(context.name, context.sample_rate, context.channels)


def _picture(container: InputContainer) -> PictureStream | None:
    moving = [
        stream
        for stream in container.streams.video
        if not int(stream.disposition) & 0x400  # an attached cover is not a film
    ]
    if not moving:
        return None
    stream = moving[0]
    context = stream.codec_context
    return PictureStream(
        codec=context.name,
        width=context.width,
        height=context.height,
        rate=stream.average_rate,
        frames=stream.frames,
        pixel_format=context.pix_fmt or "",
        rotation=_rotation(container, stream.index),
    )


def _rotation(container: InputContainer, index: int) -> int:
    for frame in container.decode(container.streams[index]):
        return int(getattr(frame, "rotation", 0)) % 360
    return 0
