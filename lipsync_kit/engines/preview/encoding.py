"""Clips as files: every one of them encoded alike, so that they join without encoding anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

U8 = npt.NDArray[np.uint8]
Draw = Callable[[U8, U8], None]
"""Draws a frame into its luma (h, w) and chroma (h/2, w/2, 2), which hold the frame before."""

_PRESET: Final = "veryfast"
# Without these two the same film is a quarter cheaper to encode and 0.1 dB worse.
_LIGHTER: Final = "partitions=i4x4,i8x8:weightp=0"
_CRF: Final = "18"
_THREADS: Final = 2  # fixed: the number of threads shows in the bits
_KEY_SECONDS: Final = 4


def encode(path: Path, size: tuple[int, int], fps: Fraction, drawings: Iterable[Draw]) -> None:
    """Encode what is drawn: MP4 with H.264, BT.709, closed GOPs from an IDR frame on.

    `size`: width and height in pixels, both even. One frame for each of `drawings`; the planes
    begin grey.
    """
    with av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}) as file:
        stream = _stream(file.add_stream("libx264", rate=fps), size, fps)
        frame = av.VideoFrame(*size, "nv12")
        luma, chroma = _planes(frame)
        luma[:], chroma[:] = 128, 128
        frame.time_base = 1 / fps
        for place, draw in enumerate(drawings):
            draw(luma, chroma)
            frame.pts = place
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV keeps to one thread: pictures are small, clips run side by side, more only cost."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _stream(stream: VideoStream, size: tuple[int, int], fps: Fraction) -> VideoStream:
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = "nv12"
    context.time_base = 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.color_range = 1  # limited
    keys = round(_KEY_SECONDS * fps)
    context.options = {
        "preset": _PRESET,
        "crf": _CRF,
        "x264-params": f"threads={_THREADS}:bframes=0:keyint={keys}:scenecut=0:open-gop=0"
        f":stitchable=1:{_LIGHTER}",
    }
    return stream


def _planes(frame: av.VideoFrame) -> tuple[U8, U8]:
    """The frame's own luma (h, w) and chroma (h/2, w/2, 2), to be written to."""
    luma, chroma = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        for plane in frame.planes
    )
    half = chroma[: frame.height // 2, : frame.width].reshape(
        frame.height // 2, frame.width // 2, 2
    )
    return luma[: frame.height, : frame.width], half
