"""The preview engine as the coordinator sees it: one kind of film per task.

Everything that concerns the whole film (whose mouth, what it does) is found out once and kept
in the project; a clip is then pure work on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lipsync_kit import timing
from lipsync_kit.engines.base import ClipRequest
from lipsync_kit.engines.preview.clip import ClipJob, has_face, render_clip
from lipsync_kit.engines.preview.drive_clip import MotionJob, render_motion_clip
from lipsync_kit.engines.preview.drive_findings import motion_findings
from lipsync_kit.engines.preview.drive_follow import follow_driver
from lipsync_kit.engines.preview.drive_track import DriverTrack
from lipsync_kit.engines.preview.dub import DubJob, render_dub_clip
from lipsync_kit.engines.preview.dub_search import find_speaker
from lipsync_kit.engines.preview.dub_speaker import Speaker
from lipsync_kit.engines.preview.speech import MouthTrack, mouth_track
from lipsync_kit.errors import InputError
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage, stage_key
from lipsync_kit.schema import Finding, Project
from lipsync_kit.store import digest_bytes, digest_file, digest_json

Job = ClipJob | MotionJob | DubJob

BLOCK = 10 * timing.SAMPLE_RATE
"""Samples read at once."""

REACH = 3
"""Seconds of the film around a clip that its motion depends on."""


@stage("preview.track", version=2)
class Track:
    """What the mouth does over the whole film."""

    fps: Fraction


@stage("preview.driver", version=2)
class Driver:
    """What the driver of a motion transfer does over the whole film."""

    fps: Fraction


@stage("preview.speaker", version=2)
class WhoSpeaks:
    """The speaker of a video that is dubbed. ``face``: 0 is the largest in every shot."""

    fps: Fraction
    face: int


@stage("preview.clip", version=4)
class Clip:
    """A clip of a film."""

    task: str
    resolution: str
    fps: Fraction
    first_frame: int
    frames: int
    seed: int


class Film(Protocol):
    """A film that the preview engine makes, clip by clip."""

    def faults(self) -> list[Finding]:
        """What keeps it from being what was asked: no face, for one."""
        ...

    def key(self, request: ClipRequest) -> str:
        """The key of a clip: the same key, the same clip."""
        ...

    def job(self, request: ClipRequest, seed: int, dest: Path) -> Job:
        """The work of a clip; it can be sent to any process."""
        ...


def render_job(job: Job) -> None:
    """Do a clip's work: any process, any order, the file appears whole."""
    if isinstance(job, ClipJob):
        render_clip(job)
    elif isinstance(job, MotionJob):
        render_motion_clip(job)
    else:
        render_dub_clip(job)


def open_film(layout: Layout, project: Project, face: int, progress: Progress) -> Film:
    """The film of a project, with everything found out that its clips need.

    ``face``: whose mouth a dub moves, 0 the largest.
    """
    if project.task == "talk":
        return TalkFilm(layout, project, progress)
    if project.task == "motion":
        return MotionFilm(layout, project, progress)
    return DubFilm(layout, project, face, progress)


def _key(project: Project, request: ClipRequest, *inputs: str) -> str:
    work = Clip(
        project.task,
        request.resolution,
        request.fps,
        request.first_frame,
        request.frames,
        request.seed,
    )
    return stage_key(work, *inputs)


@dataclass
class TalkFilm:
    """A portrait that talks."""

    layout: Layout
    project: Project
    progress: Progress

    def __post_init__(self) -> None:
        self._mouth = _Mouth(self.layout, self.project, self.progress)
        self._image = _image(self.layout, self.project)

    def faults(self) -> list[Finding]:
        """A portrait without a face."""
        return _faceless(self._image, self.project.resolution)

    def key(self, request: ClipRequest) -> str:
        """Picture, place in the film, and the mouth around it."""
        return _key(self.project, request, digest_file(self._image), self._mouth.around(request))

    def job(self, request: ClipRequest, seed: int, dest: Path) -> ClipJob:
        """A clip of the talking portrait."""
        return ClipJob(
            image=self._image,
            track=self._mouth.path,
            dest=dest,
            resolution=request.resolution,
            fps=request.fps,
            seed=seed,
            first_frame=request.first_frame,
            frames=request.frames,
        )


@dataclass
class MotionFilm:
    """A portrait that does what a driver does."""

    layout: Layout
    project: Project
    progress: Progress

    def __post_init__(self) -> None:
        self._image = _image(self.layout, self.project)
        self._path = self.layout.preview / "driver.npz"
        video = _video(self.layout, self.project)
        key = stage_key(Driver(self.project.fps), digest_file(video))
        stamps = self.layout.stamps()
        if not stamps.fresh(self._path, key):
            follow_driver(video, self.project.fps, self.progress).save(self._path)
            stamps.mark(self._path, key=key)
        self._track = DriverTrack.load(self._path)

    def faults(self) -> list[Finding]:
        """A portrait or a driver without a face, or with a body that stays still."""
        video = _video(self.layout, self.project)
        return motion_findings(self._image, self.project.resolution, video, self._track)

    def key(self, request: ClipRequest) -> str:
        """Picture, place in the film, and what the driver does there."""
        part = self._track.at(request.first_frame, request.frames)
        driven = digest_bytes(part.tobytes())
        return _key(self.project, request, digest_file(self._image), driven)

    def job(self, request: ClipRequest, seed: int, dest: Path) -> MotionJob:
        """A clip of the driven portrait; every take of it is the same, whatever the seed."""
        del seed
        return MotionJob(
            image=self._image,
            track=self._path,
            dest=dest,
            resolution=request.resolution,
            fps=request.fps,
            first_frame=request.first_frame,
            frames=request.frames,
        )


@dataclass
class DubFilm:
    """A video whose speaker says something else."""

    layout: Layout
    project: Project
    face: int
    progress: Progress

    def __post_init__(self) -> None:
        self._mouth = _Mouth(self.layout, self.project, self.progress)
        self._video = _video(self.layout, self.project)
        self._path = self.layout.preview / "speaker.npz"
        work = WhoSpeaks(self.project.fps, self.face)
        self._digest = digest_file(self._video)
        key = stage_key(work, self._digest)
        stamps = self.layout.stamps()
        if not stamps.fresh(self._path, key):
            speaker = find_speaker(self._video, self.project.fps, self.face, self.progress)
            speaker.save(self._path)
            stamps.mark(self._path, key=key)

    def faults(self) -> list[Finding]:
        """A video without a face, or one that hides it for the most part."""
        speaker = Speaker.load(self._path)
        share = speaker.share
        if share >= MOSTLY:
            return []
        if share == 0 and 0 < speaker.faces <= self.face:
            return [_no_such_face(self.face, speaker.faces)]
        seen = f"the speaker is seen {share:.0%} of the time; the rest of the preview"
        return [
            Finding(
                code="no_face" if share == 0 else "face_seldom",
                severity="warning",
                message=f"video: {seen if share else 'no face was found; the preview'} is the "
                "video as it was.",
                hint="Take a video that shows the speaker, or another one with --face N.",
                data={"share": round(share, 3)},
            )
        ]

    def key(self, request: ClipRequest) -> str:
        """Video, speaker, place in the film, and the mouth around it."""
        who = str(self.face)
        return _key(self.project, request, self._digest, who, self._mouth.around(request))

    def job(self, request: ClipRequest, seed: int, dest: Path) -> DubJob:
        """A clip of the dubbed video."""
        return DubJob(
            video=self._video,
            speaker=self._path,
            track=self._mouth.path,
            dest=dest,
            fps=request.fps,
            seed=seed,
            first_frame=request.first_frame,
            frames=request.frames,
        )


MOSTLY = 0.5
"""The share of a video from which on its speaker counts as seen."""


def _no_such_face(face: int, faces: int) -> Finding:
    most = "one face" if faces == 1 else f"{faces} faces"
    return Finding(
        code="no_such_face",
        severity="warning",
        message=f"--face {face}: no more than {most} can be seen at once; the preview is the "
        "video as it was.",
        hint="Count from 0, the largest face.",
        data={"faces": faces},
    )


def _image(layout: Layout, project: Project) -> Path:
    assert project.image is not None
    return layout.root / project.image.path


def _video(layout: Layout, project: Project) -> Path:
    assert project.video is not None
    return layout.root / project.video.path


def _faceless(image: Path, resolution: str) -> list[Finding]:
    if has_face(image, resolution):
        return []
    return [
        Finding(
            code="no_face",
            severity="warning",
            message=f"{image.name}: no face was found; the preview moves the camera over the "
            "picture instead.",
            hint="Take a portrait with a clearly visible face.",
        )
    ]


@dataclass
class _Mouth:
    """The film's mouth track: followed once, kept, and read again for every clip."""

    layout: Layout
    project: Project
    progress: Progress

    def __post_init__(self) -> None:
        self.path = self.layout.preview / "track.npz"
        sounds = digest_json([[chunk.start, chunk.sha256] for chunk in self.project.chunks])
        key = stage_key(Track(self.project.fps), sounds)
        stamps = self.layout.stamps()
        if not stamps.fresh(self.path, key):
            self._follow().save(self.path)
            stamps.mark(self.path, key=key)

    @cached_property
    def _track(self) -> MouthTrack:
        return MouthTrack.load(self.path)

    def around(self, request: ClipRequest) -> str:
        """The digest of what a clip's motion depends on."""
        margin = math.ceil(REACH * request.fps)
        first = max(0, request.first_frame - margin)
        part = self._track[first : request.first_frame + request.frames + margin]
        return digest_bytes(part.tobytes())

    def _follow(self) -> MouthTrack:
        project = self.project
        samples = project.audio.samples
        frames = timing.film_frames(samples, project.fps)
        seconds = samples / timing.SAMPLE_RATE
        with self.progress.task("listening to the speech", seconds, "s") as task:

            def counted() -> Iterator[npt.NDArray[np.float32]]:
                for block in driving_sound(self.layout, project):
                    yield block
                    task.advance(len(block) / timing.SAMPLE_RATE)

            return mouth_track(counted(), timing.SAMPLE_RATE, frames, project.fps)


def driving_sound(layout: Layout, project: Project) -> Iterator[npt.NDArray[np.float32]]:
    """The sound that drives the lips, tile by tile, mono in blocks; silence where none is sent.

    Raises :class:`~lipsync_kit.errors.InputError` when a chunk is shorter than its tile.
    """
    import soundfile

    for chunk in project.chunks:
        left = chunk.end - chunk.start
        if chunk.path is None:
            for start in range(0, left, BLOCK):
                yield np.zeros(min(BLOCK, left - start), np.float32)
            continue
        path = layout.root / chunk.path
        with soundfile.SoundFile(path) as file:
            file.seek(chunk.start - chunk.sent_start)
            if file.frames - file.tell() < left:
                raise InputError(
                    f"{path}: shorter than its chunk.",
                    code="project_file",
                    hint="Run prep again: it makes only what is missing.",
                )
            yield from file.blocks(BLOCK, frames=left, dtype="float32")
