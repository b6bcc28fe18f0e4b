"""Frames of a clip, as they are or brought to the film's rate, size, pixels and colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from lipsync_kit.postprocess.survey import Survey, clip_opened

if TYPE_CHECKING:
    from av.filter.context import FilterContext
    from av.filter.graph import Graph
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_UNSPECIFIED = 2

_SCALING = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
"""Without full chroma, swscale's conversion between matrices is off by two levels of luma."""


@dataclass(frozen=True)
class Look:
    """The film's picture: width and height in pixels, frames per second."""

    width: int
    height: int
    fps: Fraction


def decoded(clip: Survey, first: int, end: int) -> Iterator[tuple[int, VideoFrame]]:
    """Frames ``[first, end)`` of a clip with their places in display order, as decoded.

    Decoding starts at the last key before ``first``; frames that no other refers to are
    skipped on the way there.
    """
    place = {at: index for index, at in enumerate(clip.pts)}
    with clip_opened(clip.path) as (container, stream):
        if first > 0:
            container.seek(clip.pts[first], stream=stream, backward=True)
        for frame in _frames(clip, stream, container.demux(stream), first):
            index = place.get(frame.pts if frame.pts is not None else -1)
            if index is None or index < first:
                continue
            if index >= end:
                return
            yield index, frame
            if index == end - 1:
                return


def _frames(
    clip: Survey, stream: VideoStream, packets: Iterator[Packet[VideoStream]], first: int
) -> Iterator[VideoFrame]:
    context = stream.codec_context
    for packet in packets:
        early = packet.pts is not None and packet.pts < clip.pts[first]
        context.skip_frame = "NONREF" if early else "DEFAULT"
        yield from context.decode(packet)


def sources(clip: Survey, fps: Fraction) -> list[int]:
    """For every frame of the film that the clip fills, the clip's frame to show there.

    Counted from the clip's first frame, whenever that is shown: the newest frame that has
    begun by then, give or take half a frame of the clip.
    """
    unit = clip.time_base * fps
    slack = fps / clip.rate / 2
    chosen = []
    newest = 0
    for slot in range(clip.slots(fps)):
        while (
            newest + 1 < clip.frames and (clip.pts[newest + 1] - clip.pts[0]) * unit <= slot + slack
        ):
            newest += 1
        chosen.append(newest)
    return chosen


def conformed(clip: Survey, look: Look, slots: Sequence[int]) -> Iterator[VideoFrame]:
    """The clip's frames ``slots`` (rising, repeats allowed) in the film's look.

    Scaled without distortion, padded with black, BT.709 limited range, yuv420p. Colours
    without tags are taken for BT.709, as they are when such a clip is copied.
    """
    if not slots:
        return
    wanted = iter(slots)
    want: int | None = next(wanted)
    graph: _Graph | None = None
    for index, frame in decoded(clip, slots[0], slots[-1] + 1):
        if index != want:
            continue
        if graph is None or not graph.takes(frame):
            graph = _Graph(frame, clip.aspect, look)
        fitted = graph.fit(frame)
        while want == index:
            yield fitted
            want = next(wanted, None)


class _Graph:
    """A libavfilter graph that fits frames like its first into a look."""

    def __init__(self, frame: VideoFrame, aspect: Fraction, look: Look) -> None:
        from av.filter.graph import Graph

        self._graph = Graph()
        self._look = look
        self._aspect = aspect
        self._kind = _kind(frame)
        links = [self._buffer(frame), *self._turn(frame), *self._scale(frame)]
        links.append(self._graph.add("buffersink"))
        self._graph.link_nodes(*links)
        self._graph.configure()

    def takes(self, frame: VideoFrame) -> bool:
        """Whether the frame is of the size and format of the first."""
        return _kind(frame) == self._kind

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """One frame in, one frame out."""
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _buffer(self, frame: VideoFrame) -> FilterContext:
        graph: Graph = self._graph
        return graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        )

    def _turn(self, frame: VideoFrame) -> list[FilterContext]:
        turns = {90: ["cclock"], 180: ["clock", "clock"], 270: ["clock"]}
        steps = turns.get(int(frame.rotation) % 360, [])
        return [self._graph.add("transpose", f"dir={step}") for step in steps]

    def _scale(self, frame: VideoFrame) -> list[FilterContext]:
        look = self._look
        width, height = inner_size(self._aspect, look)
        matrix = "bt709" if int(frame.colorspace) == _UNSPECIFIED else "auto"
        return [
            self._graph.add(
                "scale",
                f"w={width}:h={height}:flags={_SCALING}:in_color_matrix={matrix}"
                ":out_color_matrix=bt709:out_range=tv",
            ),
            self._graph.add("format", "pix_fmts=yuv420p"),
            self._graph.add("pad", f"w={look.width}:h={look.height}:x=-1:y=-1"),
            self._graph.add("setsar", "sar=1"),
        ]


def _kind(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def inner_size(aspect: Fraction, look: Look) -> tuple[int, int]:
    """The largest even size of an aspect within the look; the look's own when nearly so."""
    full = Fraction(look.width, look.height)
    if abs(aspect / full - 1) < Fraction(1, 100):
        return look.width, look.height
    if aspect > full:
        return look.width, max(2, round(look.width / aspect / 2) * 2)
    return max(2, round(look.height * aspect / 2) * 2), look.height
