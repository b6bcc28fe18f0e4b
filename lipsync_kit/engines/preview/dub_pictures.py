"""The prepared video's frames, one by one, in memory for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_colours import to_bt709
from lipsync_kit.engines.preview.grid import Area
from lipsync_kit.errors import InputError
from lipsync_kit.media.probe import opened

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

U8 = npt.NDArray[np.uint8]

_PLANAR: Final = ("yuv420p", "yuvj420p")
_FULL: Final = 2  # libavutil's number of full range


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame: its place in the video, luma (h, w), chroma (h/2, w/2, 2); not to be written."""

    place: int
    luma: U8
    chroma: U8

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.luma.shape[0])

    def rgb(self, area: Area) -> U8:
        """A part of it, shape (h, w, 3), for eyes that know RGB; colours only roughly."""
        luma, chroma = self.luma[area.luma], self.chroma[area.chroma]
        how = cv2.COLOR_YUV2RGB_NV12
        rgb = cv2.cvtColorTwoPlane(np.ascontiguousarray(luma), np.ascontiguousarray(chroma), how)
        return np.asarray(rgb, np.uint8)


def pictures(
    video: Path, fps: Fraction, first: int, end: int, threads: int = 1
) -> Iterator[Picture]:
    """Frames [first, end) of a prepared video, whose frame k stands at k / fps seconds.

    Raises :class:`~lipsync_kit.errors.InputError` when one of them can't be decoded.
    """
    expected = first
    with opened(video) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO"
        time_base = stream.time_base
        assert time_base is not None
        if first > 0:
            container.seek(int(first / fps / time_base), stream=stream)
        for frame in container.decode(stream):
            assert frame.pts is not None
            place = round(frame.pts * time_base * fps)
            if place < expected:
                continue
            if place > expected or expected >= end:
                break
            yield _picture(place, frame)
            expected += 1
    if expected < end:
        raise InputError(
            f"{video}: frame {expected} of {end} is missing.",
            code="video_incomplete",
            hint="Run prep again; it prepares the video anew.",
        )


def _picture(place: int, frame: VideoFrame) -> Picture:
    if frame.format.name not in _PLANAR:
        frame = frame.reformat(format="yuv420p")
    luma, blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height, : plane.width
        ]
        for plane in frame.planes
    )
    full_range = frame.format.name == "yuvj420p" or int(frame.color_range) == _FULL
    return Picture(
        place, *to_bt709(luma, np.dstack([blue, red]), int(frame.colorspace), full_range)
    )
