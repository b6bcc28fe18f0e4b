"""Encoding frames to H.264 in this process, piece by piece, for joining with other packets.

A piece begins with an IDR frame, refers to nothing outside itself, and is kept as
length-prefixed NAL units without parameter sets, which its :class:`ParameterSets` hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lipsync_kit.errors import SetupError
from lipsync_kit.media import h264

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Encoding:
    """How x264 encodes. ``bframes`` and ``keyint`` in frames; ``threads`` 0 means its own."""

    preset: str = "veryfast"
    crf: int = 16
    bframes: int = 0
    keyint: int = 250
    threads: int = 1

    def parameters(self) -> str:
        """The ``x264-params`` text."""
        return (
            f"bframes={self.bframes}:ref=1:keyint={self.keyint}:min-keyint=1:scenecut=0"
            f":open-gop=0:threads={self.threads}:sliced-threads=0:stitchable=1"
        )


@dataclass(frozen=True)
class Sample:
    """One encoded frame: where its bytes lie, its place in display order, whether it is a key."""

    offset: int
    size: int
    display: int
    key: bool


@dataclass(frozen=True)
class Piece:
    """Encoded frames in a file, in decoding order."""

    path: Path
    sets: h264.ParameterSets
    samples: tuple[Sample, ...]

    @property
    def delay(self) -> int:
        """Packets by which decoding runs ahead of display at most."""
        return max((at - sample.display for at, sample in enumerate(self.samples)), default=0)

    def read(self) -> Iterator[tuple[Sample, bytes]]:
        """Samples and their bytes, in decoding order."""
        with self.path.open("rb") as file:
            for sample in self.samples:
                file.seek(sample.offset)
                yield sample, file.read(sample.size)


def _encoder(width: int, height: int, fps: Fraction, how: Encoding) -> VideoCodecContext:
    import av
    from av.video.codeccontext import VideoCodecContext

    try:
        context = av.CodecContext.create("libx264", "w")
    except av.FFmpegError as error:
        raise SetupError(
            "This build of PyAV has no x264.",
            code="x264_missing",
            hint="Reinstall it from its wheel: pip install --force-reinstall av",
        ) from error
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = fps, 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1
    context.options = {
        "preset": how.preset,
        "crf": str(how.crf),
        "x264-params": how.parameters(),
    }
    return context


def encode(
    frames: Iterable[VideoFrame],
    path: Path,
    *,
    width: int,
    height: int,
    fps: Fraction,
    how: Encoding,
) -> Piece:
    """Encode yuv420p frames of BT.709 and ``width`` x ``height`` into a piece at ``path``.

    Raises :class:`~lipsync_kit.errors.SetupError` when PyAV has no x264. There must be at
    least one frame.
    """
    from av.video.frame import PictureType

    context = _encoder(width, height, fps, how)
    with path.open("wb") as file:
        sink = _Sink(file)
        for place, frame in enumerate(frames):
            frame.pts, frame.time_base = place, 1 / fps
            frame.pict_type = PictureType.NONE
            sink.take(context.encode(frame))
        sink.take(context.encode(None))
    return Piece(path, sink.sets(), tuple(sink.samples))


class _Sink:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sets: dict[bytes, None] = {}
        self.samples: list[Sample] = []

    def take(self, packets: Iterable[Packet]) -> None:  # type: ignore[type-arg]
        for packet in packets:
            slices = []
            for nal in h264.split_annex_b(bytes(packet)):
                kind = h264.nal_type(nal)
                if kind in (h264.SPS, h264.PPS):
                    self._sets[nal] = None
                elif kind in (h264.SLICE, h264.IDR_SLICE):
                    slices.append(nal)
            data = h264.join_prefixed(slices)
            assert packet.pts is not None
            self.samples.append(
                Sample(self._file.tell(), len(data), packet.pts, packet.is_keyframe)
            )
            self._file.write(data)

    def sets(self) -> h264.ParameterSets:
        of = [
            tuple(nal for nal in self._sets if h264.nal_type(nal) == kind)
            for kind in (h264.SPS, h264.PPS)
        ]
        return h264.ParameterSets(of[0], of[1])
