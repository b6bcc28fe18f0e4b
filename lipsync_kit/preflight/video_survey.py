"""Looks at every packet of a video, and refuses what is none.

Nothing but the first frame is decoded. Durations and rates that a container claims are only
hints; what decides are the packets that are really there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from lipsync_kit.errors import InputError
from lipsync_kit.media import h264
from lipsync_kit.media.probe import check_file, opened
from lipsync_kit.preflight.video_footage import UPRIGHT, Colour, Footage, Turn

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.sidedata.sidedata import SideData
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ATTACHED_PICTURE = 0x400
_FULL_RANGE = 2
_INDEXED = ("mov", "matroska")
_PROGRESSIVE = (0, 1)  # field orders: unknown, progressive


def survey(path: Path) -> Footage:
    """Count what ``path`` shows.

    Raises :class:`~lipsync_kit.errors.InputError` for what is no video: sound only, a cover
    picture, one frame, cut off on the way.
    """
    check_file(path, "video")
    look = _Look(path)
    with opened(path) as container:
        stream = moving_picture(container, path)
        count = _Count(path, stream)
        count.all(container)
        return look.footage(count, container)


def moving_picture(container: InputContainer, path: Path) -> VideoStream:
    """The first moving picture of an open file.

    Raises :class:`~lipsync_kit.errors.InputError` when it has none.
    """
    streams = container.streams.video
    for stream in streams:
        if not int(stream.disposition) & _ATTACHED_PICTURE:
            return stream
    if streams:
        raise InputError(
            f"{path}: sound with a cover picture; there is no moving picture in it.",
            code="cover_only",
            hint="Give the video itself; a still portrait belongs to --image.",
        )
    raise InputError(
        f"{path}: has no picture, only sound.",
        code="no_picture",
        hint="Give the video itself; a narration belongs to --audio.",
    )


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame that can be decoded, from where the container stands."""
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            continue  # the frame is missing from what follows; whoever needs it says so


class _Look:
    """What the first frame says."""

    def __init__(self, path: Path) -> None:
        try:
            with opened(path) as container:
                stream = moving_picture(container, path)
                frame = next(decoded(container, stream), None)
                self._learn(path, stream, frame)
        except InputError as error:
            if error.code == "media_unreadable":
                raise _unreadable(path, error) from None
            raise

    def _learn(self, path: Path, stream: VideoStream, frame: VideoFrame | None) -> None:
        context = stream.codec_context
        if frame is None:
            raise InputError(
                f"{path}: not one frame of it can be decoded ({context.name}).",
                code="video_unreadable",
                hint="Check that it plays; export it again as MP4 with H.264.",
            )
        matrix = frame.side_data.get("DISPLAYMATRIX")
        self.turn = UPRIGHT if matrix is None else Turn.of_matrix(bytes(cast("SideData", matrix)))
        self.size = frame.width, frame.height
        self.pixel_format = frame.format.name
        self.pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        self.interlaced = frame.interlaced_frame or context.field_order not in _PROGRESSIVE
        self.colour = Colour(
            int(context.color_primaries),
            int(context.color_trc),
            int(context.colorspace),
            self.pixel_format.startswith("yuvj") or int(context.color_range) == _FULL_RANGE,
        )

    def footage(self, count: _Count, container: InputContainer) -> Footage:
        """The first frame and the count, as one."""
        first = int(count.pts.min()) * count.time_base
        start = Fraction(container.start_time or 0, 1_000_000)
        return Footage(
            path=count.path,
            codec=count.codec,
            width=self.size[0],
            height=self.size[1],
            pixel_aspect=self.pixel_aspect,
            turn=self.turn,
            pixel_format=self.pixel_format,
            colour=self.colour,
            interlaced=self.interlaced,
            time_base=count.time_base,
            stated_rate=count.stated,
            pts=count.pts,
            keys=np.array(count.keys, np.bool_),
            sizes=np.array(count.sizes, np.int64),
            last=count.last,
            offset=Fraction(0) if count.counted else first - start,
            has_sound=bool(container.streams.audio),
            counted=count.counted,
            indexed=any(name in container.format.name for name in _INDEXED),
            copyable=count.copyable,
        )


class _Count:
    """Counts a moving picture's packets, and how far the other streams reach."""

    def __init__(self, path: Path, stream: VideoStream) -> None:
        context = stream.codec_context
        self.path, self._stream = path, stream
        self.codec = context.name
        self.stated = stream.average_rate
        self.keys: list[bool] = []
        self.sizes: list[int] = []
        self.last = self._hidden = self._latest = 0
        self._pts: list[int | None] = []
        self._reaches = Fraction(0)
        self._sets = _parameter_sets(self.codec, context.extradata)
        self._same_sets = True

    def all(self, container: InputContainer) -> None:
        """Count every packet. Raises InputError for a file that ends before it should."""
        import av

        try:
            for packet in container.demux([self._stream, *container.streams.audio]):
                if packet.size and packet.pts is not None:
                    end = (packet.pts + (packet.duration or 0)) * (packet.time_base or 0)
                    self._reaches = max(self._reaches, Fraction(end))
                if packet.size and packet.stream_index == self._stream.index:
                    self._see(cast("Packet[VideoStream]", packet))
        except av.FFmpegError as error:
            raise _cut_off(self.path, f"reading stops: {error.strerror}") from None
        self._refuse_part(container)
        self._settle(container)

    def _see(self, packet: Packet[VideoStream]) -> None:
        if packet.is_discard:
            self._hidden += 1
            return
        if packet.has_sidedata("new_extradata"):
            self._same_sets = False
        self._pts.append(packet.pts)
        self.sizes.append(packet.size)
        self.keys.append(packet.is_keyframe and self._may_begin(packet))
        if packet.pts is None or packet.pts >= self._latest:
            self._latest, self.last = packet.pts or 0, packet.duration or 0

    def _may_begin(self, packet: Packet[VideoStream]) -> bool:
        """Whether decoding may begin at a key packet; in H.264 not all of them are IDR."""
        if self._sets is None:
            return True
        try:
            nals = list(h264.split_prefixed(bytes(packet), self._sets.length_size))
        except h264.Malformed:
            self._same_sets = False
            return False
        known = {*self._sets.sps, *self._sets.pps}
        for nal in nals:
            if h264.nal_type(nal) in (h264.SPS, h264.PPS) and nal not in known:
                self._same_sets = False
        return any(h264.nal_type(nal) == h264.IDR_SLICE for nal in nals)

    def _refuse_part(self, container: InputContainer) -> None:
        there, claimed = len(self._pts) + self._hidden, self._stream.frames
        name = container.format.name
        if "mov" in name and there < claimed:
            raise _cut_off(self.path, f"{there} of {claimed} frames are there")
        if "matroska" in name and container.duration:
            seconds = Fraction(container.duration, 1_000_000)
            start = Fraction(container.start_time or 0, 1_000_000)
            missing = seconds - (self._reaches - start)
            if missing > max(Fraction(1), seconds * Fraction(3, 100)):
                fact = f"{float(seconds - missing):.1f} of {float(seconds):.1f} s are there"
                raise _cut_off(self.path, fact)
        if there <= 1:
            raise InputError(
                f"{self.path}: {there} frame; that is a picture, not a video.",
                code="one_frame",
                hint="Give a video; a still portrait belongs to --image.",
            )

    def _settle(self, container: InputContainer) -> None:
        """Make the arrays; without usable time stamps, frames are counted instead."""
        stamps = [at for at in self._pts if at is not None]
        # An AVI counts packets, in decoding order, whatever order they are shown in.
        self.counted = container.format.name == "avi" or len(set(stamps)) < len(self._pts)
        self.time_base = self._stream.time_base or Fraction(1, 1000)
        if self.counted:
            span = (max(stamps) - min(stamps)) * self.time_base if stamps else 0
            rate = self.stated or (Fraction(len(self._pts) - 1) / span if span else Fraction(25))
            self.time_base, self.last = 1 / rate, 1
            stamps = list(range(len(self._pts)))
        self.pts = np.array(stamps, np.int64)
        self.copyable = (
            self._sets is not None
            and self._same_sets
            and not self.counted
            and not self._hidden
            and self.keys[0]
        )


def _parameter_sets(codec: str, extradata: bytes | None) -> h264.ParameterSets | None:
    if codec != "h264":
        return None
    try:
        return h264.parse_avcc(bytes(extradata or b""))
    except h264.Malformed:
        return None  # a raw stream; its packets are not those of an MP4


def _unreadable(path: Path, error: InputError) -> InputError:
    if _lacks_index(path):
        return _cut_off(path, "its index (the moov box) is missing")
    return InputError(
        error.message,
        code=error.code,
        hint="Check that it plays; export it again as MP4 with H.264.",
    )


def _lacks_index(path: Path) -> bool:
    """Whether this is an MP4 whose recording or download ended before its index."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return False
        at, size = 0, path.stat().st_size
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
            if kind == b"moov":
                return bool(at + length > size)
            if length < 8:
                break
            at += length
    return True


def _cut_off(path: Path, fact: str) -> InputError:
    return InputError(
        f"{path}: cut off: {fact}.",
        code="truncated",
        hint="Copy or download it again, or export it again where it was recorded.",
    )
