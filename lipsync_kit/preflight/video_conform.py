"""A frame as it was given, made a prepared picture: size, orientation, pixels and colours."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from lipsync_kit.preflight.video_footage import UPRIGHT, Footage
from lipsync_kit.preflight.video_picture import Picture

if TYPE_CHECKING:
    from av.filter.graph import Graph
    from av.video.frame import VideoFrame

_BT709_OR_UNSAID = (1, 2)
_MATRICES = {1: "bt709", 2: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}
"""libswscale's names of matrices (ITU-T H.273). What says nothing is taken for BT.709, as it is
when such a video is copied."""


class Conform:
    """Frames in, pictures out, in the same order and number; some come a frame later.

    ``rough``: scaled fast, to be looked at rather than delivered.
    """

    def __init__(self, footage: Footage, picture: Picture, *, rough: bool = False) -> None:
        self._footage, self._picture = footage, picture
        self._scaler = "fast_bilinear" if rough else "lanczos+accurate_rnd"
        self._waiting: deque[int] = deque()
        self._kind: tuple[int, int, str] | None = None
        self._graph: Graph | None = None

    def feed(self, place: int, frame: VideoFrame) -> Iterator[tuple[int, VideoFrame]]:
        """What is ready after a frame, with the places that came in with it."""
        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            yield from self.flush()
            self._kind = kind
            self._graph = None if self._as_is(frame) else self._made(frame)
        if self._graph is None:
            yield place, frame
            return
        self._waiting.append(place)
        self._graph.vpush(frame)
        yield from self._ready()

    def flush(self) -> Iterator[tuple[int, VideoFrame]]:
        """What is left at the end."""
        if self._graph is not None and self._waiting:
            self._graph.vpush(None)
            yield from self._ready()
        self._graph, self._kind = None, None

    def _ready(self) -> Iterator[tuple[int, VideoFrame]]:
        import av

        assert self._graph is not None
        while self._waiting:
            try:
                done = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield self._waiting.popleft(), done

    def _as_is(self, frame: VideoFrame) -> bool:
        picture, footage = self._picture, self._footage
        return (
            (frame.width, frame.height) == (picture.width, picture.height)
            and frame.format.name == "yuv420p"
            and footage.turn == UPRIGHT
            and footage.pixel_aspect == 1
            and not footage.interlaced
            and not footage.colour.full_range
            and footage.colour.matrix in _BT709_OR_UNSAID
        )

    def _made(self, frame: VideoFrame) -> Graph:
        from av.filter.graph import Graph

        graph = Graph()
        links = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            )
        ]
        for name, options in self._steps():
            links.append(graph.add(name, options))
        links.append(graph.add("buffersink"))
        graph.link_nodes(*links)
        graph.configure()
        return graph

    def _steps(self) -> Iterator[tuple[str, str]]:
        footage, picture = self._footage, self._picture
        if footage.interlaced:
            yield "bwdif", "mode=send_frame:deint=interlaced"
        yield from self._turn()
        width, height = footage.shown
        if (width - picture.width, height - picture.height) in {(0, 1), (1, 0), (1, 1)}:
            # One row or column too many for 4:2:0: nothing else need be touched.
            width, height = picture.width, picture.height
            yield "scale", self._scaled(*footage.shown)
            yield "crop", f"{width}:{height}:0:0:exact=1"
        else:
            yield "scale", self._scaled(picture.width, picture.height)
        yield "format", "pix_fmts=yuv420p"
        yield "setsar", "sar=1"

    def _turn(self) -> Iterator[tuple[str, str]]:
        turn = self._footage.turn
        directions = {
            (False, False): "cclock_flip",
            (True, False): "clock",
            (False, True): "cclock",
            (True, True): "clock_flip",
        }
        way = "transpose", f"dir={directions[turn.mirrored, turn.flipped]}"
        if turn.transposed:
            yield way
        elif turn.flipped:
            # Not vflip: its frames lie upside down in memory, which not everything can read.
            yield "transpose", "dir=cclock_flip"
            yield way
        elif turn.mirrored:
            yield "hflip", ""

    def _scaled(self, width: int, height: int) -> str:
        colour = self._footage.colour
        return (
            f"w={width}:h={height}:flags={self._scaler}"
            f":in_color_matrix={_MATRICES.get(colour.matrix, 'bt709')}"
            f":in_range={'full' if colour.full_range else 'limited'}"
            ":out_color_matrix=bt709:out_range=limited"
        )
