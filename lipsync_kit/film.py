"""From clips to the film: what ``render`` does once every clip is there."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipsync_kit import timing
from lipsync_kit.progress import Progress
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage, stage_key
from lipsync_kit.schema import Chunk, Finding, Project
from lipsync_kit.store import digest_file, place

if TYPE_CHECKING:
    from lipsync_kit.postprocess.ready import Ready
    from lipsync_kit.postprocess.tile import Seams, Tile


@stage("post.film", version=2)
class Stitch:
    """Join the clips on the frame grid and lay the master under them."""

    seams: Seams = "auto"
    compatible: bool = False
    ready: Ready = "h264"


@dataclass(frozen=True)
class MadeFilm:
    """The film, the ready clip of each chunk (none without a frame), what stitching noticed."""

    path: Path
    ready: tuple[Path | None, ...]
    seams: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]


def use_clip(layout: Layout, chunk: Chunk, take: Path) -> Path:
    """Put a take at its chunk's ``lipsync/clips/NNNN.mp4``, as a link where that can be."""
    clip = layout.clip(chunk.index)
    clip.parent.mkdir(parents=True, exist_ok=True)
    if clip.exists() and clip.samefile(take):
        return clip
    temporary = clip.with_name(f".{clip.stem}.part.mp4")
    temporary.unlink(missing_ok=True)
    try:
        os.link(take, temporary)
    except OSError:
        shutil.copyfile(take, temporary)
    temporary.replace(clip)
    return clip


def tiles(project: Project, clips: dict[int, Path], *, handles: bool) -> list[Tile]:
    """The film's tiles. ``handles``: whether clips cover what was sent, not just the tile."""
    return [tile(project, chunk, clips[chunk.index], handles=handles) for chunk in project.chunks]


def tile(project: Project, chunk: Chunk, clip: Path, *, handles: bool) -> Tile:
    """A chunk's tile.

    A motion model may take the lead off its clips, or leave it: the clip's length tells.
    """
    from lipsync_kit.postprocess.tile import Tile

    lead = tail = 0
    if handles:
        lead = _frames_between(chunk.sent_start, chunk.start, project.fps)
        tail = _frames_between(chunk.end, chunk.sent_end, project.fps)
        if project.task == "motion" and lead and not _led(clip, chunk):
            lead = 0
    before = chunk.pause_ms // 2 if chunk.pause_before_ms is None else chunk.pause_before_ms
    pause = before * timing.SAMPLE_RATE // 1000
    return Tile(clip, chunk.start, chunk.end, lead, tail, pause, scene=chunk.cut == "scene")


def _led(clip: Path, chunk: Chunk) -> bool:
    """Whether a clip is nearer to tile and lead together than to the tile alone."""
    from lipsync_kit.engines.acceptance import clip_seconds

    tile = Fraction(chunk.end - chunk.start, timing.SAMPLE_RATE)
    ahead = Fraction(chunk.start - chunk.sent_start, timing.SAMPLE_RATE)
    return clip_seconds(clip) > tile + ahead / 2


def _frames_between(first: int, last: int, fps: Fraction) -> int:
    return timing.edge(last, fps) - timing.edge(first, fps)


def make_film(
    layout: Layout,
    pieces: list[Tile],
    project: Project,
    work: Stitch,
    jobs: int,
    progress: Progress,
) -> MadeFilm:
    """Stitch and mux ``lipsync/final.mp4`` and write the ready clips, unless they are fresh."""
    from lipsync_kit.media.ffmpeg import ffmpeg_version
    from lipsync_kit.postprocess.ready import SUFFIX, ready_clips
    from lipsync_kit.postprocess.stitch import stitch
    from lipsync_kit.postprocess.tile import StitchOptions

    master = layout.root / project.audio.path if project.audio.path else None
    digests = [digest_file(tile.clip) for tile in pieces]
    bounds = [str(replace(tile, clip=Path())) for tile in pieces]
    sound = digest_file(master) if master else "silent"
    rate = str(project.fps)
    key = stage_key(work, rate, sound, *digests, *bounds, build=ffmpeg_version())
    ready = tuple(layout.ready(chunk.index, SUFFIX[work.ready]) for chunk in project.chunks)
    stamps = layout.stamps()
    note = stamps.note(layout.final, key)
    if note is None:
        options = StitchOptions(seams=work.seams, compatible=work.compatible, jobs=jobs)
        made = stitch(
            pieces,
            fps=project.fps,
            master=master,
            out=layout.final,
            options=options,
            progress=progress,
        )
        note = {
            "seams": [asdict(seam) for seam in made.seams],
            "findings": [finding.model_dump() for finding in made.findings],
        }
        stamps.mark(layout.final, key=key, note=note)
    shown = [path for path, tile in zip(ready, pieces, strict=True) if tile.frames(project.fps)]
    if not all(stamps.fresh(path, key) for path in shown):
        _clear(ready[0].parent, set(ready))
        ready_clips(
            pieces,
            ready,
            film=layout.final,
            fps=project.fps,
            master=master,
            kind=work.ready,
            jobs=jobs,
            progress=progress,
        )
        stamps.mark(*shown, key=key)
    findings = tuple(Finding.model_validate(item) for item in note["findings"])
    made_ready = tuple(path if path in shown else None for path in ready)
    return MadeFilm(layout.final, made_ready, tuple(note["seams"]), findings)


def deliver(film: Path, output: Path | None) -> Path:
    """The film's path for the user: ``output``, where it is copied to, or its own."""
    if output is None:
        return film.absolute()
    place(film, output)
    return output.absolute()


def _clear(folder: Path, keep: set[Path]) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_file() and path not in keep:
                path.unlink()
