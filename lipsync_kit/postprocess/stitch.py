"""Clips into one film: survey, conform, splice, mux."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media.h264 import build_avcc
from lipsync_kit.postprocess.assemble import (
    HEAD,
    WHOLE,
    Assembled,
    Bench,
    Cutting,
    Ending,
    assemble,
    cut_out,
    facts_of,
    shown_frames,
)
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.findings import clip_findings, film_findings
from lipsync_kit.postprocess.morph import Still
from lipsync_kit.postprocess.mux import PictureTrack, mux
from lipsync_kit.postprocess.seams import Join, join, steps_of
from lipsync_kit.postprocess.sound import encode_sound, master_samples
from lipsync_kit.postprocess.splice import Part, copyable_sets, share, spliced, tagged
from lipsync_kit.postprocess.survey import Survey, on_grid, survey
from lipsync_kit.postprocess.tile import ClipFacts, Seam, Stitched, StitchOptions, Tile
from lipsync_kit.progress import Progress
from lipsync_kit.store import atomic
from lipsync_kit.timing import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class _Film:
    """What is known before any frame is encoded."""

    tiles: Sequence[Tile]
    clips: Sequence[Survey]
    obstacles: Sequence[str]
    cuttings: Sequence[Cutting]
    look: Look
    options: StitchOptions


@dataclass(frozen=True)
class _Made:
    """A tile's picture, what became of its clip, and the seam after it."""

    parts: Sequence[Part]
    facts: ClipFacts
    seam: Seam | None


MOST_BLENDED = 12
"""Frames that a blend takes at most."""

LEAST_BLENDED = 5
"""Frames that a blend may take where there is no pause."""

BEFORE_PAUSE = 4
"""Frames before a pause that a blend may take too: a word's end fades there, lips are closing."""


def stitch(
    clips: Sequence[Tile],
    *,
    fps: Fraction,
    master: Path | None,
    out: Path,
    options: StitchOptions,
    progress: Progress,
) -> Stitched:
    """Make one film of the tiles' clips and the master, at ``out``, atomically.

    Each tile gets exactly its budget of frames on the film's grid. Clips of one kind are
    copied packet by packet and only the few frames at a join are encoded; others are
    conformed whole. The sound is the master, encoded once; ``None`` makes a silent film.

    Raises :class:`~lipsync_kit.errors.InputError` when a clip or the master can't be used,
    naming it.
    """
    tiles = list(clips)
    _check_tiles(tiles, master)
    with _workplace(out) as folder, ThreadPoolExecutor(1, "sound") as aside:
        sound = _start_sound(master, folder, aside)
        film = _look_at(tiles, fps, options, progress)
        made = _make_parts(film, folder, progress)
        parts = [part for tile in made for part in tile.parts]
        header = share(parts)
        delay = max((part.delay for part in parts), default=0)
        track = PictureTrack(build_avcc(header.sets), film.look, delay)
        frames = sum(cutting.frames for cutting in film.cuttings)
        encoded = sound.result() if sound is not None else None
        with atomic(out) as temporary, progress.task("stitch", frames, "frames") as task:
            mux(spliced(parts, header), track, encoded, temporary, task)
    facts = tuple(tile.facts for tile in made)
    seams = tuple(tile.seam for tile in made if tile.seam is not None)
    findings = [*film_findings(film.clips, fps), *clip_findings(facts, fps)]
    return Stitched(out, frames, facts, seams, len(header.sets), tuple(findings))


def _check_tiles(tiles: Sequence[Tile], master: Path | None) -> None:
    if not tiles or tiles[0].start != 0:
        raise ValueError("the tiles must begin at sample 0")
    if any(before.end != after.start for before, after in pairwise(tiles)):
        raise ValueError("each tile must start where the last ended")
    if master is None:
        return
    samples, _ = master_samples(master)
    if samples != tiles[-1].end:
        raise InputError(
            f"{master}: {samples} samples, but the plan has {tiles[-1].end}.",
            code="master_changed",
            hint="Run prep again, then render.",
        )


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A folder for pieces, beside the film so that it lies on the same disk."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".stitch-", dir=out.parent) as folder:
        yield Path(folder)


def _start_sound(
    master: Path | None, folder: Path, aside: ThreadPoolExecutor
) -> Future[Path] | None:
    if master is None:
        return None
    out = folder / "sound.m4a"

    def encode() -> Path:
        encode_sound(master, out)
        return out

    return aside.submit(encode)


def _look_at(
    tiles: Sequence[Tile], fps: Fraction, options: StitchOptions, progress: Progress
) -> _Film:
    surveys = []
    with progress.task("survey", len(tiles), "clips") as task:
        for tile in tiles:
            surveys.append(survey(tile.clip))
            task.advance()
    look = Look(*majority_size(surveys), fps)
    obstacles = [_obstacle(clip, look, options) for clip in surveys]
    alike = copyable_sets([clip for clip, why in zip(surveys, obstacles, strict=True) if not why])
    for index, clip in enumerate(surveys):
        if not obstacles[index] and tagged(clip) not in alike:
            obstacles[index] = "its encoder settings are one kind too many"
    cuttings = [
        cut_out(tile, tile.frames(fps), clip, look, copying=not why)
        for tile, clip, why in zip(tiles, surveys, obstacles, strict=True)
    ]
    return _Film(tiles, surveys, obstacles, cuttings, look, options)


def majority_size(clips: Sequence[Survey]) -> tuple[int, int]:
    """Width and height of most frames, even."""
    weight: Counter[tuple[int, int]] = Counter()
    for clip in clips:
        turned = clip.rotation % 180 == 90
        size = (clip.height, clip.width) if turned else (clip.width, clip.height)
        weight[size] += clip.frames
    (width, height), _ = weight.most_common(1)[0]
    return width + width % 2, height + height % 2


def _obstacle(clip: Survey, look: Look, options: StitchOptions) -> str:
    if options.compatible:
        return "everything is encoded anew"
    if clip.obstacle:
        return clip.obstacle
    if (clip.width, clip.height) != (look.width, look.height):
        return f"its size is {clip.width}x{clip.height}, the film's {look.width}x{look.height}"
    if not on_grid(clip, look.fps):
        return f"its frames come at {float(clip.rate):.5g} a second, not on the film's grid"
    return ""


def _make_parts(film: _Film, folder: Path, progress: Progress) -> list[_Made]:
    jobs = max(1, film.options.jobs)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    bench = Bench(folder, film.look, replace(WHOLE, threads=threads))
    made = []
    with (
        progress.task("clips", len(film.tiles), "clips") as task,
        ThreadPoolExecutor(jobs, "clip") as pool,
    ):
        work = [pool.submit(_make_tile, film, index, bench) for index in range(len(film.tiles))]
        try:
            for future in work:
                made.append(future.result())
                task.advance()
        except BaseException:
            bench.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return made


def _make_tile(film: _Film, index: int, bench: Bench) -> _Made:
    cutting = film.cuttings[index]
    if not cutting.frames:
        return _Made((), facts_of(index, cutting, Assembled(()), film.obstacles[index]), None)
    ending = _ending(film, index)
    assembled = assemble(index, film.clips[index], cutting, bench, ending)
    facts = facts_of(index, cutting, assembled, film.obstacles[index])
    return _Made(assembled.parts, facts, _seam(film, index, assembled.join))


def _ending(film: _Film, index: int) -> Ending | None:
    """How a tile goes over into the next one that has frames, if there is one."""
    later = range(index + 1, len(film.tiles))
    following = next((other for other in later if film.cuttings[other].frames), None)
    if following is None:
        return None
    clip, cutting, look = film.clips[following], film.cuttings[following], film.look
    most = _most_blended(film, index)

    def choose(before: Sequence[Still], early: Sequence[float], held: int) -> Join:
        end = min(cutting.end, cutting.first + HEAD)
        head = shown_frames(clip, look, cutting.first, end, copying=cutting.copying)
        after = (Still.of(frame) for frame in head)
        target = next(after)
        steps = [*early, *steps_of(chain([target], after))]
        return join(before, target, steps, film.options.seams, most, held)

    return Ending(most, choose)


def _most_blended(film: _Film, index: int) -> int:
    """Frames that a blend may take at a tile's end: those in the pause and a little before."""
    if film.options.seams == "cut" or film.tiles[index].scene:
        return 0
    silent = int(film.tiles[index].pause * film.look.fps / SAMPLE_RATE)
    fitting = min(MOST_BLENDED, max(LEAST_BLENDED, silent + BEFORE_PAUSE))
    return max(0, min(fitting, film.cuttings[index].frames - 1))


def _seam(film: _Film, index: int, made: Join | None) -> Seam | None:
    if made is None:
        return None
    return Seam(
        index=index,
        frame=film.tiles[index + 1].first_frame(film.look.fps),
        kind=made.kind,
        frames=len(made.blended),
        hard=round(made.hard, 3),
        score=round(made.score, 3),
        sharpness=round(made.sharpness, 3),
    )
