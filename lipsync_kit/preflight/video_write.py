"""Writing prepared video: encoded anew, or copied packet by packet. MP4 with H.264, no sound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipsync_kit.errors import SetupError
from lipsync_kit.media.probe import opened
from lipsync_kit.preflight.video_footage import Footage
from lipsync_kit.preflight.video_picture import Picture
from lipsync_kit.preflight.video_survey import moving_picture

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_MP4 = {"movflags": "+faststart", "fflags": "+bitexact"}


@dataclass(frozen=True)
class Encoding:
    """How x264 encodes. ``crf`` 16 can't be told from its source by eye.

    ``max_bytes``: never more than this for ``frames`` frames, or ``None``.
    """

    preset: str = "veryfast"
    crf: int = 16
    max_bytes: int | None = None

    def options(self, fps: Fraction, frames: int) -> dict[str, str]:
        """Options of the libx264 encoder for a clip of ``frames`` frames."""
        keyint = max(1, round(fps))
        options = {
            "preset": self.preset,
            "crf": str(self.crf),
            "forced-idr": "1",
            "x264-params": f"keyint={keyint}:open-gop=0",
        }
        if self.max_bytes is not None:
            # The buffer of a quarter second may be spent on top; a twentieth is for the MP4.
            seconds = float(frames / fps) + 0.25
            rate = int(self.max_bytes * 8 * 0.95 / seconds)
            options |= {"maxrate": str(rate), "bufsize": str(max(1, rate // 4))}
        return options


def encode(
    frames: Iterable[VideoFrame],
    path: Path,
    *,
    picture: Picture,
    fps: Fraction,
    count: int,
    keys: Iterable[int] = (),
    how: Encoding | None = None,
) -> int:
    """Encode ``count`` yuv420p frames of BT.709; returns how many came.

    ``keys``: places at which decoding may begin, besides one every second.
    """
    from av.video.frame import PictureType

    wanted = {0, *keys}
    with _mp4(path) as out:
        stream = _encoder(out, picture, fps, (how or Encoding()).options(fps, count))
        came = 0
        for place, frame in enumerate(frames):
            frame.pts, frame.time_base = place, 1 / fps
            frame.pict_type = PictureType.I if place in wanted else PictureType.NONE
            out.mux(stream.encode(frame))
            came += 1
        out.mux(stream.encode(None))
    return came


def _mp4(path: Path) -> OutputContainer:
    import av

    return av.open(str(path), "w", format="mp4", options=dict(_MP4))


def _encoder(
    out: OutputContainer, picture: Picture, fps: Fraction, options: dict[str, str]
) -> VideoStream:
    import av

    try:
        stream: Any = out.add_stream("libx264", rate=fps, options=options)
    except (av.FFmpegError, ValueError) as error:
        raise SetupError(
            "This build of PyAV has no x264.",
            code="x264_missing",
            hint="Reinstall it from its wheel: pip install --force-reinstall av",
        ) from error
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    stream.time_base = 1 / fps
    context = stream.codec_context
    context.time_base = 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1
    context.thread_count = 0
    return stream  # type: ignore[no-any-return]


def whole_run(footage: Footage, first: int, end: int) -> slice | None:
    """The packets that show frames ``[first, end)`` and no others, decodable on their own.

    ``None`` when there is no such run: it has to begin with an IDR frame, and no frame in it
    may lean on one outside.
    """
    if not footage.copyable:
        return None
    begin = int(np.flatnonzero(footage.places == first)[0])
    run = slice(begin, begin + end - first)
    places = footage.places[run]
    if not footage.keys[begin] or len(places) < end - first:
        return None
    return run if int(places.min()) == first and int(places.max()) == end - 1 else None


def copy(footage: Footage, run: slice, path: Path, fps: Fraction) -> None:
    """Copy a :func:`whole_run` of packets, with exact time stamps at ``fps`` from 0."""
    count = run.stop - run.start
    places = footage.places[run] - int(footage.places[run].min())
    delay = max(0, int((np.arange(count) - places).max()))
    with opened(footage.path) as source, _mp4(path) as out:
        stream = moving_picture(source, footage.path)
        to = out.add_stream_from_template(stream)
        to.time_base = 1 / fps
        first = int(footage.pts[run.start])
        if run.start > 0:
            source.seek(first, stream=stream, backward=True)
        taken = -1
        for packet in source.demux(stream):
            if not packet.size or (taken < 0 and packet.pts != first):
                continue
            taken += 1
            packet.stream = to
            packet.time_base = 1 / fps
            packet.pts, packet.dts = int(places[taken]), taken - delay
            packet.duration = 1
            out.mux(packet)
            if taken == count - 1:
                return
    raise AssertionError(f"{footage.path}: packets {run} are no longer there")
