"""One clip of a film: frames drawn, encoded and put in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from lipsync_kit.engines.preview.camera import Camera
from lipsync_kit.engines.preview.motion import Motion
from lipsync_kit.engines.preview.plate import Plate, read_plate
from lipsync_kit.engines.preview.speech import MouthTrack
from lipsync_kit.engines.preview.talk import Talker
from lipsync_kit.face import Face, find_faces
from lipsync_kit.store import atomic

U8 = npt.NDArray[np.uint8]
Draw = Callable[[U8, U8], None]

_PRESET: Final = "veryfast"
_CRF: Final = "18"
_THREADS: Final = 2  # fixed: the number of threads shows in the bits
_KEY_SECONDS: Final = 4


@dataclass(frozen=True)
class ClipJob:
    """Frames [first_frame, first_frame + frames) of a film, to be rendered to `dest`."""

    image: Path
    track: Path
    dest: Path
    resolution: str
    fps: Fraction
    seed: int
    first_frame: int
    frames: int


def render_clip(job: ClipJob) -> None:
    """Render a clip: MP4 with H.264, no sound, BT.709, closed GOPs from an IDR frame on.

    Has exactly `frames` frames at a constant `fps`, is the same for the same job, and shares its
    parameter sets with every clip of the same size and rate. Runs in any process; the file
    appears whole. Raises :class:`~lipsync_kit.errors.InputError` for an unreadable picture.
    """
    plate, talker = _portrait(job.image, job.image.stat().st_mtime_ns, job.resolution)
    with _one_thread(), atomic(job.dest) as temporary:
        _encode(temporary, plate, job.fps, _drawings(job, plate, talker))


def has_face(image: Path, resolution: str) -> bool:
    """Whether a prepared image has a face to move; without one the clip is a camera move.

    Raises :class:`~lipsync_kit.errors.InputError` for an unreadable picture.
    """
    return _face(image, image.stat().st_mtime_ns, resolution)[1] is not None


@lru_cache(maxsize=1)
def _face(image: Path, _changed: int, resolution: str) -> tuple[Plate, Face | None]:
    plate = read_plate(image, resolution)
    faces = find_faces(plate.rgb)
    return plate, faces[0] if faces else None


@lru_cache(maxsize=1)
def _portrait(image: Path, changed: int, resolution: str) -> tuple[Plate, Talker | None]:
    plate, face = _face(image, changed, resolution)
    return plate, Talker.of(plate, face) if face else None


def _drawings(job: ClipJob, plate: Plate, talker: Talker | None) -> Iterator[Draw]:
    """What draws each frame of the job, in order."""
    if talker is None:
        camera = Camera(plate, job.fps)
        for frame in range(job.first_frame, job.first_frame + job.frames):
            yield partial(camera.draw, frame)
        return
    motion = Motion(MouthTrack.load(job.track), job.fps, job.seed)
    for pose in motion.poses(job.first_frame, job.frames):
        yield partial(talker.draw, pose)


@contextmanager
def _one_thread() -> Iterator[None]:
    # The pictures are small and clips run side by side: more threads only cost.
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _encode(path: Path, plate: Plate, fps: Fraction, drawings: Iterator[Draw]) -> None:
    options = {"movflags": "+faststart"}
    with av.open(f"file:{path}", "w", format="mp4", options=options) as container:
        stream = _stream(container.add_stream("libx264", rate=fps), plate, fps)
        frame = av.VideoFrame(plate.width, plate.height, "nv12")
        luma, chroma = _planes(frame)
        luma[:], chroma[:] = plate.luma, plate.chroma
        frame.time_base = 1 / fps
        for place, draw in enumerate(drawings):
            draw(luma, chroma)
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _stream(stream: VideoStream, plate: Plate, fps: Fraction) -> VideoStream:
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = plate.width, plate.height, "nv12"
    context.time_base = 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.color_range = 1  # limited
    keys = round(_KEY_SECONDS * fps)
    context.options = {
        "preset": _PRESET,
        "crf": _CRF,
        "x264-params": f"threads={_THREADS}:bframes=0:keyint={keys}:scenecut=0:open-gop=0"
        ":stitchable=1",
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
