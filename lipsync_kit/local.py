"""Clips from the preview engine: made here, side by side, each kept as soon as it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.engines.base import ClipRequest
from lipsync_kit.errors import InputError
from lipsync_kit.executor import each
from lipsync_kit.progress import Progress, counted
from lipsync_kit.project import Layout
from lipsync_kit.schema import Finding, Project
from lipsync_kit.takes import Takes

if TYPE_CHECKING:
    from lipsync_kit.engines.preview.films import Film

NEXT_SEED = 1000
"""How far apart the seeds of a clip's takes are."""


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
    face: int = 0,
    jobs: int,
    strict: bool,
    progress: Progress,
) -> LocalClips:
    """Render what is not there yet. Interrupted, it goes on with the clips that are missing.

    Raises :class:`~lipsync_kit.errors.InputError` with ``strict`` when it would have to make
    do: there is no face, for one.
    """
    from lipsync_kit.engines.preview.films import open_film

    film = open_film(layout, project, face, progress)
    findings = film.faults()
    worse = [finding for finding in findings if finding.severity != "info"]
    if strict and worse:
        first = worse[0]
        raise InputError(
            f"--strict: {first.message}", code=first.code, hint=first.hint, **first.data
        )
    takes = Takes(layout, "preview")
    keys = {request.index: film.key(request) for request in requests}
    for index, number in choose:
        takes.choose(keys[index], number, index)
    numbers = {
        index: takes.retake(key) if index in retake else takes.current(key)
        for index, key in keys.items()
    }
    made = {index: (number, takes.path(keys[index], number)) for index, number in numbers.items()}
    known = [takes.path(key, number) for key in keys.values() for number in takes.numbers(key)]
    takes.discard({*known, *(path for _, path in made.values())})
    todo = [request for request in requests if not made[request.index][1].exists()]
    _render(film, todo, made, jobs, progress)
    return LocalClips(made, tuple(findings))


def _render(
    film: Film,
    todo: Sequence[ClipRequest],
    made: dict[int, tuple[int, Path]],
    jobs: int,
    progress: Progress,
) -> None:
    from lipsync_kit.engines.preview.films import render_job

    if not todo:
        return
    work = []
    for request in todo:
        number, dest = made[request.index]
        work.append(film.job(request, request.seed + NEXT_SEED * (number - 1), dest))
    frames = sum(request.frames for request in todo)
    with progress.task(f"preview, {counted(len(todo), 'clip')}", frames, "frames") as task:
        for job, _ in each(render_job, work, jobs):
            task.advance(job.frames)
