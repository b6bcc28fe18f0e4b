"""One clip of a dubbed film: the prepared video's frames, with a mouth that says something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lipsync_kit.engines.preview.dub_face import DubFace
from lipsync_kit.engines.preview.dub_pictures import Picture, pictures
from lipsync_kit.engines.preview.dub_speaker import Speaker
from lipsync_kit.engines.preview.dub_track import REACH, sights
from lipsync_kit.engines.preview.encoding import Draw, encode, one_thread
from lipsync_kit.engines.preview.motion import Motion
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.engines.preview.speech import MouthTrack
from lipsync_kit.media.probe import probe
from lipsync_kit.store import atomic

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DubJob:
    """Frames [first_frame, first_frame + frames) of a film, to be rendered to `dest`.

    `video`: the prepared video, whole, frame for frame as long as the film. `speaker`: what
    :func:`~lipsync_kit.engines.preview.dub_search.find_speaker` found in it, saved. `track`:
    the film's mouth.
    """

    video: Path
    speaker: Path
    track: Path
    dest: Path
    fps: Fraction
    seed: int
    first_frame: int
    frames: int


def render_dub_clip(job: DubJob) -> None:
    """Render a clip: MP4 with H.264, no sound, BT.709, closed GOPs from an IDR frame on.

    Has the video's size and exactly `frames` frames at a constant `fps`, is the same for the
    same job, and shares its parameter sets with every clip of the film. Frames that don't show
    the speaker are the video's own. Runs in any process; the file appears whole. Raises
    :class:`~lipsync_kit.errors.InputError` for a video that can't be read.
    """
    picture = probe(job.video).picture
    assert picture is not None
    with one_thread(), atomic(job.dest) as temporary:
        size = picture.width, picture.height
        encode(temporary, size, job.fps, _drawings(job, picture.frames))


def _drawings(job: DubJob, length: int) -> Iterator[Draw]:
    """What draws each frame of the job, in order."""
    first = max(0, job.first_frame - REACH)
    last = job.first_frame + job.frames
    end = max(last, min(length, last + REACH))
    speaker = Speaker.load(job.speaker, first, end)
    face_of = lru_cache(maxsize=4)(partial(DubFace.of, grain=speaker.grain))
    poses = iter(Motion(MouthTrack.load(job.track), job.fps, job.seed).poses(first, end - first))
    seen = sights(pictures(job.video, job.fps, first, end), speaker, face_of)
    begin = job.first_frame - first
    for (picture, shot, sight), pose in islice(
        zip(seen, poses, strict=True), begin, begin + job.frames
    ):
        if sight is None:
            yield partial(_as_it_is, picture)
        else:
            mouth = Pose(gap=pose.gap, width=pose.width, press=pose.press)
            yield partial(face_of(shot).draw, picture, sight, mouth, job.seed)


def _as_it_is(picture: Picture, luma: U8, chroma: U8) -> None:
    luma[:], chroma[:] = picture.luma, picture.chroma
