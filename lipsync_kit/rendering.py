"""``render``: clips from the engine, then the film. Run again, it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from lipsync_kit import timing
from lipsync_kit.engines.base import ClipRequest
from lipsync_kit.errors import InputError, UsageError
from lipsync_kit.executor import cores
from lipsync_kit.film import MadeFilm, Stitch, deliver, make_film, tiles, use_clip
from lipsync_kit.progress import Progress, Silent
from lipsync_kit.project import Layout, load, locked
from lipsync_kit.schema import Billed, Chunk, ClipState, Film, Finding, Project, Rendered
from lipsync_kit.settings import Settings
from lipsync_kit.store import digest_file

NOTHING_BILLED = Billed()
OTHER_FILMS = frozenset({".avi", ".gif", ".mkv", ".mov", ".mxf", ".webm"})
"""Names that promise another kind of film; every other name is the user's own affair."""
SEED = 1
"""The seed of every film's first takes."""


@dataclass(frozen=True)
class RenderOptions:
    """What a user may choose. Intervals and timeouts are in seconds, money in USD."""

    engine: str = "preview"
    max_cost: Decimal | None = None
    yes: bool = False
    submit_only: bool = False
    retake: tuple[int, ...] = ()
    take: tuple[tuple[int, int], ...] = ()
    seams: Literal["auto", "cut", "dissolve", "morph"] = "auto"
    continuity: Literal["portrait", "chain"] = "portrait"
    compatible: bool = False
    ready: Literal["h264", "prores"] = "h264"
    face: int = 0
    jobs: int | None = None
    poll_interval: float = 5.0
    timeout: float = 600.0
    logs: bool = False
    output: Path | None = None
    resubmit_lost: bool = False
    strict: bool = False

    @property
    def processes(self) -> int:
        """How many processes work at once."""
        return self.jobs or cores()


@dataclass(frozen=True)
class Clips:
    """What an engine made: the clip's take of each chunk, and what it noticed.

    ``missing``: chunks that have no clip yet, with their state. ``handles``: whether clips
    cover what was sent rather than just the tile. ``bills``: what :class:`.ClipState` says of
    a paid take.
    """

    takes: dict[int, tuple[int, Path]]
    findings: tuple[Finding, ...] = ()
    missing: dict[int, str] | None = None
    handles: bool = False
    billed: Billed = NOTHING_BILLED
    bills: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


def render(
    root: Path,
    options: RenderOptions | None = None,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    confirm: Callable[[str], bool] | None = None,
) -> Rendered:
    """Make or collect the clips of the project at ``root`` and stitch the film.

    ``confirm`` asks a person whether to spend; without it, spending needs ``max_cost`` or
    ``yes``. Raises the errors of :mod:`lipsync_kit.errors`; what was made is kept.
    """
    chosen = options or RenderOptions()
    bar = progress or Silent()
    _check_options(chosen, load(root))
    with locked(root, chosen.timeout, bar):
        project = load(root)
        layout = Layout(root)
        check_files(layout, project)
        if chosen.engine == "preview":
            clips = _preview(layout, project, chosen, bar)
        else:
            from lipsync_kit.paid import paid_clips

            clips = paid_clips(layout, project, chosen, settings, bar, confirm)
        if clips.missing:
            return _unfinished(layout, project, clips)
        return _finish(layout, project, clips, chosen, bar)


def _check_options(options: RenderOptions, project: Project) -> None:
    if options.engine == "preview" and options.submit_only:
        raise UsageError(
            "--async belongs to fal; the preview engine has no queue.",
            hint="Leave --async out, or add --engine fal.",
        )
    if options.engine == "preview" and options.continuity == "chain":
        raise UsageError(
            "--continuity chain belongs to fal; the preview's motion runs on by itself.",
            hint="Leave it out, or add --engine fal.",
        )
    last = len(project.chunks) - 1
    for index in (*options.retake, *(index for index, _ in options.take)):
        if index > last:
            raise UsageError(f"There is no chunk {index}: this project has 0 to {last}.")
    output = options.output
    if output is not None and output.is_dir():
        raise UsageError(f"--output {output}: a folder.", hint="Name the file to write.")
    if output is not None and output.suffix.lower() in OTHER_FILMS:
        raise UsageError(f"--output {output}: the film is an MP4.", hint="Name it *.mp4.")


def check_files(layout: Layout, project: Project) -> None:
    """Refuse a project whose prepared files are gone or are not what was planned.

    Raises :class:`~lipsync_kit.errors.InputError`.
    """
    again = "Run prep again: it makes only what is missing."
    wanted = [project.audio.path, project.image.path if project.image else None]
    wanted += [project.video.path if project.video else None]
    for name in wanted:
        if name is not None and not (layout.root / name).is_file():
            raise InputError(f"{layout.root / name}: missing.", code="project_file", hint=again)
    for chunk in project.chunks:
        for name, digest in ((chunk.path, chunk.sha256), (chunk.video, chunk.video_sha256)):
            if name is not None:
                _check_sent(layout.root / name, digest, chunk.index, again)


def _check_sent(path: Path, digest: str | None, index: int, again: str) -> None:
    if not path.is_file():
        raise InputError(f"{path}: missing.", code="project_file", hint=again)
    if digest is not None and digest_file(path) != digest:
        raise InputError(
            f"{path}: not what was planned (chunk {index} has changed since prep).",
            code="project_file",
            hint=again,
        )


def clip_requests(layout: Layout, project: Project) -> list[ClipRequest]:
    """One request per chunk, for its first take."""
    image = layout.root / project.image.path if project.image else None
    return [
        ClipRequest(
            index=chunk.index,
            take=1,
            task=project.task,
            first_frame=timing.edge(chunk.start, project.fps),
            frames=_budget(chunk, project.fps),
            fps=project.fps,
            seed=SEED,
            resolution=project.resolution,
            sound=layout.root / chunk.path if chunk.path else None,
            image=image,
        )
        for chunk in project.chunks
    ]


def _budget(chunk: Chunk, fps: Fraction) -> int:
    return timing.edge(chunk.end, fps) - timing.edge(chunk.start, fps)


def _preview(layout: Layout, project: Project, options: RenderOptions, progress: Progress) -> Clips:
    from lipsync_kit.local import local_clips

    made = local_clips(
        layout,
        project,
        clip_requests(layout, project),
        retake=options.retake,
        choose=options.take,
        face=options.face,
        jobs=options.processes,
        strict=options.strict,
        progress=progress,
    )
    return Clips(takes=made.takes, findings=made.findings)


def _finish(
    layout: Layout, project: Project, clips: Clips, options: RenderOptions, progress: Progress
) -> Rendered:
    used = {
        chunk.index: use_clip(layout, chunk, clips.takes[chunk.index][1])
        for chunk in project.chunks
    }
    pieces = tiles(project, used, handles=clips.handles)
    seams = options.seams
    if options.engine == "preview" and seams == "auto" and not _retaken(clips):
        seams = "cut"  # the preview's motion runs on across its seams
    work = Stitch(seams=seams, compatible=options.compatible, ready=options.ready)
    accepted = _accepted(layout, project, clips, options, progress)
    film = make_film(layout, pieces, project, work, options.processes, progress)
    path = deliver(film.path, options.output)
    return Rendered(
        video=Film(url=path.as_uri(), path=str(path)),
        chunks=_states(project, clips, used, film),
        billed=clips.billed,
        findings=_once((*clips.findings, *accepted, *film.findings)),
        seams=film.seams,
    )


def _once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """What was noticed in more than one place, told once."""
    told: dict[tuple[str, object], Finding] = {}
    for finding in findings:
        told.setdefault((finding.code, finding.data.get("index", finding.message)), finding)
    return tuple(told.values())


def _accepted(
    layout: Layout, project: Project, clips: Clips, options: RenderOptions, progress: Progress
) -> tuple[Finding, ...]:
    """What stands out in clips that came from elsewhere; our own need no measuring."""
    if options.engine == "preview":
        return ()
    from lipsync_kit.accepting import accept_clips

    takes = {index: path for index, (_, path) in clips.takes.items()}
    return accept_clips(layout, project, takes, options.processes, progress)


def _retaken(clips: Clips) -> bool:
    return any(take != 1 for take, _ in clips.takes.values())


def _states(
    project: Project, clips: Clips, used: dict[int, Path], film: MadeFilm
) -> tuple[ClipState, ...]:
    return tuple(
        ClipState(
            index=chunk.index,
            state="done",
            take=clips.takes[chunk.index][0],
            clip=str(used[chunk.index].absolute()),
            ready=None if ready is None else str(ready.absolute()),
            **clips.bills.get(chunk.index, {}),
        )
        for chunk, ready in zip(project.chunks, film.ready, strict=True)
    )


def _unfinished(layout: Layout, project: Project, clips: Clips) -> Rendered:
    missing = clips.missing or {}
    states = []
    for chunk in project.chunks:
        take = clips.takes.get(chunk.index)
        clip = str(use_clip(layout, chunk, take[1]).absolute()) if take else None
        state = missing.get(chunk.index, "done")
        number = take[0] if take else 1
        bill = clips.bills.get(chunk.index, {})
        states.append(ClipState(index=chunk.index, state=state, take=number, clip=clip, **bill))
    return Rendered(
        chunks=tuple(states),
        billed=clips.billed,
        pending=tuple(sorted(missing)),
        findings=clips.findings,
    )
