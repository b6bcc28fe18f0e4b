"""Frames of a video in any order, as they are prepared: upright, square, SDR, 8-bit 4:2:0.

Memory holds a few frames, whatever the video's length and whatever the order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lipsync_kit.errors import InputError, SetupError
from lipsync_kit.media.ffmpeg import find_ffmpeg, has_filter, reading, source
from lipsync_kit.media.probe import opened
from lipsync_kit.preflight.video_conform import Conform
from lipsync_kit.preflight.video_footage import Footage, Ticks
from lipsync_kit.preflight.video_picture import Picture
from lipsync_kit.preflight.video_survey import decoded, moving_picture

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BLOCK = 16
"""Frames kept at once where a video runs backwards."""

_WHITE = 203
"""cd/m² of diffuse white in HDR (ITU-R BT.2408)."""

_WORTH_A_SEEK = 48
_MOST_MISSING = 0.02


class Frames:
    """Reads a video's frames as pictures of one size.

    ``rough``: scaled fast, to be looked at rather than delivered. ``missing``: frames that
    can't be decoded, for which their neighbours stood in.
    """

    def __init__(self, footage: Footage, picture: Picture, *, rough: bool = False) -> None:
        self._footage, self._picture, self._rough = footage, picture, rough
        self.missing = 0

    def read(self, order: Ticks) -> Iterator[VideoFrame]:
        """The frames whose places are ``order``, one by one; it may repeat, leap and run back.

        A frame that is wanted several times in a row is the same object each time. Raises
        :class:`~lipsync_kit.errors.InputError` when the video is damaged beyond mending.
        """
        if self._footage.colour.name:
            yield from self._in_order(order, self._toned())
            return
        for run in runs(order, self._footage):
            if len(run) > 1 and run[0] > run[-1]:
                yield from self._backwards(run)
            else:
                span = self._between(int(run[0]), int(run[-1]) + 1)
                yield from self._in_order(run, self._conformed(span, run))

    def _in_order(
        self, order: Ticks, frames: Iterator[tuple[int, VideoFrame]]
    ) -> Iterator[VideoFrame]:
        """``order`` must not fall; for what is missing the frame before it stands in."""
        at, missing, held = 0, 0, None
        for place, frame in frames:
            while at < len(order) and order[at] <= place:
                missing += int(order[at] < place)
                yield frame if held is None or order[at] == place else held
                at += 1
            held = frame
            if at == len(order):
                break
        missing += len(order) - at
        self.missing += missing
        if held is None or missing > 2 + _MOST_MISSING * len(order):
            raise self._damaged(missing, len(order))
        for _ in order[at:]:
            yield held

    def _damaged(self, missing: int, wanted: int) -> InputError:
        return InputError(
            f"{self._footage.path}: damaged: {missing} of {wanted} frames can't be decoded.",
            code="video_damaged",
            hint="Copy or download it again, or export it again where it was recorded.",
        )

    def _backwards(self, order: Ticks) -> Iterator[VideoFrame]:
        """``order`` falls; a block is read forwards and given back to front."""
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK][::-1]
            span = self._between(int(block[0]), int(block[-1]) + 1)
            yield from list(self._in_order(block, self._conformed(span, block)))[::-1]

    def _conformed(
        self, frames: Iterable[tuple[int, VideoFrame]], order: Ticks
    ) -> Iterator[tuple[int, VideoFrame]]:
        conform = Conform(self._footage, self._picture, rough=self._rough)
        every = self._footage.interlaced  # a field's neighbours help to fill it
        for place, frame in frames:
            if every or order[np.searchsorted(order, place)] == place:
                yield from conform.feed(place, frame)
        yield from conform.flush()

    def _between(self, first: int, end: int) -> Iterator[tuple[int, VideoFrame]]:
        """Frames ``[first, end)`` as decoded, with their places."""
        for start in sorted({self._key_before(first), 0}, reverse=True):
            frames = self._from(start)
            head = next(frames, None)
            if start > 0 and (head is None or head[0] > first):
                continue  # the container sought too far: read from the start
            for place, frame in itertools.chain([head] if head else [], frames):
                if place >= end:
                    return
                if place >= first:
                    yield place, frame
                if place == end - 1:
                    return
            return

    def _key_before(self, first: int) -> int:
        if not self._footage.indexed or self._footage.counted:
            return 0
        keys = self._footage.places[self._footage.keys]
        before = keys[keys <= first]
        return int(before.max()) if len(before) else 0

    def _from(self, start: int) -> Iterator[tuple[int, VideoFrame]]:
        footage = self._footage
        with opened(footage.path) as container:
            stream = moving_picture(container, footage.path)
            stream.thread_type = "AUTO"
            if start > 0:
                container.seek(int(footage.times[start]), stream=stream, backward=True)
            for count, frame in enumerate(decoded(container, stream)):
                if footage.counted:
                    yield count, frame
                    continue
                place = int(np.searchsorted(footage.times, frame.pts or 0))
                if place < footage.frames and footage.times[place] == (frame.pts or 0):
                    yield place, frame

    def _toned(self) -> Iterator[tuple[int, VideoFrame]]:
        """Every frame of a video of high dynamic range or wide gamut, from ffmpeg's zscale."""
        import ffmpeg
        from av import VideoFrame

        if not has_filter("zscale"):
            raise SetupError(
                f"{find_ffmpeg()[0]}: has no zscale filter, which this video needs: it is "
                f"{self._footage.colour.name}.",
                code="ffmpeg_filters",
                hint="Unset LIPSYNC_FFMPEG to use the bundled ffmpeg, or export the video in SDR.",
            )
        width, height = self._picture.width, self._picture.height
        stream = _tone(source(self._footage.path)["v:0"], self._footage, self._picture)
        output = ffmpeg.output(
            stream, "pipe:1", f="rawvideo", pix_fmt="yuv420p", fps_mode="passthrough"
        )
        with reading(output, str(self._footage.path)) as pipe:
            for place in range(self._footage.frames):
                data = pipe.read(width * height * 3 // 2)
                if len(data) < width * height * 3 // 2:
                    return
                planes = np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width)
                yield place, VideoFrame.from_ndarray(planes, format="yuv420p")


def _tone(stream: Any, footage: Footage, picture: Picture) -> Any:
    """The graph from HDR or wide gamut to BT.709 (ffmpeg turns the picture by itself).

    Scaled first, in linear light; then diffuse white becomes white, and what is brighter is
    rolled off into the last stretch (the curve of Mobius).
    """
    size = {"width": picture.width, "height": picture.height, "filter": "lanczos"}
    colour = footage.colour
    stream = stream.filter(
        "setparams",
        color_primaries="bt2020",
        color_trc={16: "smpte2084", 18: "arib-std-b67"}.get(colour.transfer, "bt2020-10"),
        colorspace="bt2020nc",
    )
    stream = stream.filter("zscale", transfer="linear", npl=_WHITE, **size)
    stream = stream.filter("format", "gbrpf32le").filter("zscale", primaries="bt709")
    if colour.high_range:
        stream = stream.filter("tonemap", "mobius", param=0.7, desat=0)
    return stream.filter("zscale", transfer="bt709", matrix="bt709", range="tv", dither="ordered")


def runs(order: Ticks, footage: Footage) -> Iterator[Ticks]:
    """Parts of ``order`` that only rise (or stay) or only fall, cut also where a seek pays."""
    if len(order) == 0:
        return
    group = np.searchsorted(np.sort(footage.places[footage.keys]), order, side="right")
    steps = np.diff(order)
    leaps = (steps > _WORTH_A_SEEK) & (np.diff(group) > 0)
    start, falling = 0, False
    for at, (step, leap) in enumerate(zip(steps.tolist(), leaps.tolist(), strict=True), 1):
        if at - start == 1 and step < 0:
            falling = True
        elif leap or (step >= 0 if falling else step < 0):
            yield order[start:at]
            start, falling = at, False
    yield order[start:]
