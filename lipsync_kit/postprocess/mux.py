"""Encoded picture and sound into an MP4 that plays everywhere."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.media import h264
from lipsync_kit.media.probe import opened
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.progress import Task
from lipsync_kit.timing import SAMPLE_RATE

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_MOVIE_OPTIONS = {"movflags": "+faststart", "movie_timescale": str(SAMPLE_RATE)}
"""The movie's timescale is the sound's, so that edit lists are exact to the sample."""


@dataclass(frozen=True)
class Delivered:
    """One encoded frame for a track: its packet, its place in display order, whether a key."""

    packet: Packet  # type: ignore[type-arg]
    display: int
    key: bool


@dataclass(frozen=True)
class PictureTrack:
    """What a picture track is: its avcC record, its look, how far decoding runs ahead."""

    avcc: bytes
    look: Look
    delay: int


def mux(
    samples: Iterable[Delivered],
    track: PictureTrack,
    sound: Path | None,
    out: Path,
    task: Task | None = None,
) -> None:
    """Write an MP4 to ``out``.

    ``samples`` in decoding order; ``sound``: an encoded sound file whose packets are copied,
    ``None`` for silence. Frame n is shown at ``n / fps``; decoding times rise by one frame
    each and run ahead by the track's delay, which the edit list takes back.
    """
    import av

    with ExitStack() as stack:
        film = stack.enter_context(av.open(str(out), "w", format="mp4", options=_MOVIE_OPTIONS))
        picture = _open_track(film, track)
        voice = _Voice(film, stack.enter_context(opened(sound))) if sound else None
        for packet in _timed(samples, track, picture):
            if voice is not None:
                voice.catch_up(packet)
            film.mux(packet)
            if task is not None:
                task.advance()
        if voice is not None:
            voice.catch_up(None)


def timescale(fps: Fraction) -> int:
    """Ticks per second of a picture track: a multiple of the rate's numerator, 10 000 or more."""
    ticks = fps.numerator
    while ticks < 10_000:
        ticks *= 2
    return ticks


def _open_track(film: OutputContainer, track: PictureTrack) -> VideoStream:
    """A track for packets that are encoded already.

    PyAV copies a stream's parameters from a template only, so one is opened from the bare
    parameter sets.
    """
    import av

    sets = h264.parse_avcc(track.avcc)
    stub = b"".join(b"\0\0\0\1" + nal for nal in (sets.sps[0], sets.pps[0]))
    with av.open(io.BytesIO(stub), format="h264") as template:
        picture = film.add_stream_from_template(template.streams.video[0])
    context = picture.codec_context
    context.width, context.height, context.pix_fmt = track.look.width, track.look.height, "yuv420p"
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1
    context.extradata = track.avcc
    picture.time_base = Fraction(1, timescale(track.look.fps))
    return picture


def _timed(
    samples: Iterable[Delivered], track: PictureTrack, picture: VideoStream
) -> Iterator[Packet]:  # type: ignore[type-arg]
    ticks = timescale(track.look.fps)
    step = int(ticks / track.look.fps)
    for count, sample in enumerate(samples):
        packet = sample.packet
        packet.stream = picture
        packet.time_base = Fraction(1, ticks)
        packet.pts = sample.display * step
        packet.dts = (count - track.delay) * step
        packet.duration = step
        packet.is_keyframe = sample.key
        yield packet


class _Voice:
    """Sound packets, given to the film as far as its picture has come."""

    def __init__(self, film: OutputContainer, source: InputContainer) -> None:
        stream = source.streams.audio[0]
        self._film = film
        self._track = film.add_stream_from_template(stream)
        self._packets = (packet for packet in source.demux(stream) if packet.dts is not None)
        self._next = next(self._packets, None)

    def catch_up(self, picture: Packet | None) -> None:  # type: ignore[type-arg]
        """Write sound up to a picture packet's decoding time, or all that is left."""
        until = None if picture is None else (picture.dts or 0) * picture.time_base
        while self._next is not None:
            packet = self._next
            if until is not None and (packet.dts or 0) * packet.time_base > until:
                return
            packet.stream = self._track
            self._film.mux(packet)
            self._next = next(self._packets, None)
