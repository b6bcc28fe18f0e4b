"""One clip of a film: frames drawn, encoded and put in their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.camera import Camera
from lipsync_kit.engines.preview.encoding import Draw, encode, one_thread
from lipsync_kit.engines.preview.motion import Motion
from lipsync_kit.engines.preview.plate import Plate, read_plate
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.engines.preview.speech import MouthTrack
from lipsync_kit.engines.preview.talk import Talker
from lipsync_kit.face import Face, find_faces
from lipsync_kit.store import atomic

U8 = npt.NDArray[np.uint8]


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
    with one_thread(), atomic(job.dest) as temporary:
        size = plate.width, plate.height
        encode(temporary, size, job.fps, _drawings(job, plate, talker))


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
    for place, pose in enumerate(motion.poses(job.first_frame, job.frames)):
        yield partial(_onto_portrait if place == 0 else Talker.draw, talker, pose)


def _onto_portrait(talker: Talker, pose: Pose, luma: U8, chroma: U8) -> None:
    luma[:], chroma[:] = talker.plate.luma, talker.plate.chroma
    talker.draw(pose, luma, chroma)
