"""Clips from the preview engine: made here, side by side, each kept as soon as it is done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit import timing
from lipsync_kit.engines.base import ClipRequest
from lipsync_kit.errors import InputError
from lipsync_kit.executor import each
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage, stage_key
from lipsync_kit.schema import Finding, Project
from lipsync_kit.store import digest_bytes, digest_file, digest_json
from lipsync_kit.takes import Takes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lipsync_kit.engines.preview.clip import ClipJob
    from lipsync_kit.engines.preview.speech import MouthTrack

BLOCK = 10 * timing.SAMPLE_RATE
"""Samples read at once."""

REACH = 3
"""Seconds of the track around a clip that its motion depends on."""


@stage("preview.track", version=1)
class Track:
    """What the mouth does over the whole film."""

    fps: Fraction


@stage("preview.talk", version=1)
class Talk:
    """A clip of a talking portrait."""

    resolution: str
    fps: Fraction
    first_frame: int
    frames: int
    seed: int
    take: int


@dataclass(frozen=True)
class LocalClips:
    """Take number and file of every chunk, and what the engine noticed."""

    takes: dict[int, tuple[int, Path]]
    findings: tuple[Finding, ...]


def local_clips(
    layout: Layout,
    project: Project,
    requests: Sequence[ClipRequest],
    *,
    retake: Sequence[int] = (),
    choose: Sequence[tuple[int, int]] = (),
    jobs: int,
    strict: bool,
    progress: Progress,
) -> LocalClips:
    """Render what is not there yet. Interrupted, it goes on with the clips that are missing.

    Raises :class:`~lipsync_kit.errors.InputError` with ``strict`` when there is no face.
    """
    findings = _faces(requests[0], strict)
    track = _track(layout, project, progress)
    takes = Takes(layout, "preview")
    keys = _keys(requests, track)
    for index, number in choose:
        takes.choose(keys[index], number, index)
    numbers = {
        request.index: takes.retake(keys[request.index])
        if request.index in retake
        else takes.current(keys[request.index])
        for request in requests
    }
    made = {index: (number, takes.path(keys[index], number)) for index, number in numbers.items()}
    known = [takes.path(key, number) for key in keys.values() for number in takes.numbers(key)]
    takes.discard({*known, *(path for _, path in made.values())})
    todo = [request for request in requests if not made[request.index][1].exists()]
    _render(todo, made, _track_path(layout), jobs, progress)
    return LocalClips(made, findings)


def _render(
    todo: Sequence[ClipRequest],
    made: dict[int, tuple[int, Path]],
    track: Path,
    jobs: int,
    progress: Progress,
) -> None:
    from lipsync_kit.engines.preview.clip import render_clip

    if not todo:
        return
    jobs_to_do = [_job(request, *made[request.index], track) for request in todo]
    frames = sum(request.frames for request in todo)
    with progress.task(f"preview, {len(todo)} clips", frames, "frames") as task:
        for job, _ in each(render_clip, jobs_to_do, jobs):
            task.advance(job.frames)


def _job(request: ClipRequest, number: int, dest: Path, track: Path) -> ClipJob:
    from lipsync_kit.engines.preview.clip import ClipJob

    assert request.image is not None
    return ClipJob(
        image=request.image,
        track=track,
        dest=dest,
        resolution=request.resolution,
        fps=request.fps,
        seed=request.seed + 1000 * (number - 1),
        first_frame=request.first_frame,
        frames=request.frames,
    )


def _faces(request: ClipRequest, strict: bool) -> tuple[Finding, ...]:
    from lipsync_kit.engines.preview.clip import has_face

    assert request.image is not None
    if has_face(request.image, request.resolution):
        return ()
    fact = f"{request.image.name}: no face was found"
    if strict:
        raise InputError(
            f"{fact}, so there is nothing to lip-sync.",
            code="no_face",
            hint="Take a portrait with a clearly visible face, or leave --strict out.",
        )
    finding = Finding(
        code="no_face",
        severity="warning",
        message=f"{fact}; the preview moves the camera over the picture instead.",
        hint="Take a portrait with a clearly visible face.",
    )
    return (finding,)


def _keys(requests: Sequence[ClipRequest], track: MouthTrack) -> dict[int, str]:
    """The key of every clip: its picture, its place in the film, and the mouth around it."""
    assert requests[0].image is not None
    image = digest_file(requests[0].image)
    keys = {}
    for request in requests:
        margin = math.ceil(REACH * request.fps)
        first = max(0, request.first_frame - margin)
        part = track[first : request.first_frame + request.frames + margin]
        curves = b"".join(
            curve.tobytes() for curve in (part.opening, part.width, part.closure, part.energy)
        )
        work = Talk(
            request.resolution,
            request.fps,
            request.first_frame,
            request.frames,
            request.seed,
            request.take,
        )
        keys[request.index] = stage_key(work, image, digest_bytes(curves))
    return keys


def _track_path(layout: Layout) -> Path:
    return layout.preview / "track.npz"


def _track(layout: Layout, project: Project, progress: Progress) -> MouthTrack:
    """The film's mouth track, followed once and kept."""
    from lipsync_kit.engines.preview.speech import MouthTrack, mouth_track

    path = _track_path(layout)
    sounds = digest_json([[chunk.start, chunk.sha256] for chunk in project.chunks])
    key = stage_key(Track(project.fps), sounds)
    stamps = layout.stamps()
    if stamps.fresh(path, key):
        return MouthTrack.load(path)
    samples = project.audio.samples
    frames = timing.film_frames(samples, project.fps)
    with progress.task("listening to the speech", samples / timing.SAMPLE_RATE, "s") as task:

        def counted() -> Iterator[npt.NDArray[np.float32]]:
            for block in driving_sound(layout, project):
                yield block
                task.advance(len(block) / timing.SAMPLE_RATE)

        track = mouth_track(counted(), timing.SAMPLE_RATE, frames, project.fps)
    track.save(path)
    stamps.mark(path, key=key)
    return track


def driving_sound(layout: Layout, project: Project) -> Iterator[npt.NDArray[np.float32]]:
    """The sound that drives the lips, tile by tile, mono in blocks; silence where none is sent."""
    import numpy as np
    import soundfile

    for chunk in project.chunks:
        if chunk.path is None:
            length = chunk.end - chunk.start
            for start in range(0, length, BLOCK):
                yield np.zeros(min(BLOCK, length - start), np.float32)
            continue
        with soundfile.SoundFile(layout.root / chunk.path) as file:
            file.seek(chunk.start - chunk.sent_start)
            yield from file.blocks(BLOCK, frames=chunk.end - chunk.start, dtype="float32")
