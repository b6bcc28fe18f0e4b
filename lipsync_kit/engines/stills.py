"""Clips of the silences that were not sent: an idle moment between the clips around them.

A dubbed video shows itself there. A portrait that talks goes on from the clip before and leads
into the clip after, in frames of their own pauses (:mod:`lipsync_kit.postprocess.idle_clip`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from lipsync_kit import film, timing
from lipsync_kit.errors import InputError
from lipsync_kit.executor import cores, each
from lipsync_kit.postprocess.assemble import cut_out, shown_frames
from lipsync_kit.postprocess.conform import Look
from lipsync_kit.postprocess.idle_clip import Footage, Idle, copied_as_is, make_idle
from lipsync_kit.postprocess.idle_plan import LEAST_SECONDS, MOST_SECONDS
from lipsync_kit.postprocess.measures import Mouth
from lipsync_kit.postprocess.rest import Rest, at_rest, silences
from lipsync_kit.postprocess.stitch import majority_size
from lipsync_kit.postprocess.survey import Survey, survey
from lipsync_kit.progress import Progress, Silent
from lipsync_kit.project import Layout
from lipsync_kit.recipe import stage, stage_key
from lipsync_kit.schema import Chunk, Project
from lipsync_kit.store import Store, digest_file
from lipsync_kit.takes import Takes

ENGINE = "still"

_BORROWED_SECONDS = 3
"""Stills that are shorter do not go through a pause of a third clip."""

_GOOD_SECONDS = Fraction(3, 5)
"""A pause as long as this is not looked for any further."""


@stage("post.rest", version=1)
class Resting:
    """Where a clip rests."""

    fps: Fraction
    size: tuple[int, int]


@stage("post.idle", version=1)
class Idling:
    """The clip of a silence that was not sent."""

    rests: tuple[tuple[int, int, bool], ...]
    frames: int
    size: tuple[int, int]
    fps: Fraction
    after: bool
    before: bool


def still_clips(
    layout: Layout,
    project: Project,
    clips: Mapping[int, Path],
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[int, Path]:
    """A clip for every chunk that was not sent.

    ``clips``: those of all others, by chunk; ``jobs``: how many are made at once. Raises
    :class:`~lipsync_kit.errors.InputError` when one of them can't be read, or there is none.
    """
    stills = [chunk for chunk in project.chunks if chunk.kind == "still"]
    own = {chunk.index: layout.root / chunk.video for chunk in stills if chunk.video}
    if len(own) == len(stills):
        return own
    if not clips:
        raise InputError(
            f"{layout.plan}: all of its sound counts as silence, so no clip was asked for.",
            code="all_silent",
            hint="Prepare it again without --skip-silence.",
        )
    room = _Room(layout, project, clips)
    takes = Takes(layout, ENGINE)
    idles = dict(room.idles())
    made = {index: takes.path(room.key(idle), 1) for index, idle in idles.items()}
    takes.discard(set(made.values()))
    todo = {path: idles[index] for index, path in made.items() if not path.exists()}
    if todo:
        threads = max(1, cores() // min(jobs, len(todo)))
        work = [_Work(idle, path, threads) for path, idle in todo.items()]
        frames = sum(idle.frames for idle in todo.values())
        with (progress or Silent()).task("silences", frames, "frames") as task:
            for done, _ in each(_make, work, jobs):
                task.advance(done.idle.frames)
    return made


@dataclass(frozen=True)
class _Work:
    idle: Idle
    out: Path
    threads: int


def _make(work: _Work) -> None:
    make_idle(work.idle, work.out, work.threads)


@dataclass(frozen=True)
class _Sent:
    """A chunk that was sent: its clip, and the frames of it that the film shows."""

    chunk: Chunk
    clip: Survey
    first: int
    end: int
    digest: str


class _Room:
    """What idle clips are made of: all clips of a project, looked into when they are needed."""

    def __init__(self, layout: Layout, project: Project, clips: Mapping[int, Path]) -> None:
        self._layout, self._project = layout, project
        surveys = {index: survey(path) for index, path in clips.items()}
        self._look = Look(*majority_size(list(surveys.values())), project.fps)
        self._sent = {
            chunk.index: self._shown(chunk, surveys[chunk.index])
            for chunk in project.chunks
            if chunk.index in clips
        }
        self._digests = {one.clip.path: one.digest for one in self._sent.values()}
        self._rests: dict[int, list[Rest]] = {}
        self._store = Store(layout.hidden / "rests")

    def _shown(self, chunk: Chunk, clip: Survey) -> _Sent:
        tile = film.tile(self._project, chunk, clip.path, handles=True)
        copying = copied_as_is(clip, self._look)
        budget = tile.frames(self._project.fps)
        cutting = cut_out(tile, budget, clip, self._look, copying=copying)
        return _Sent(chunk, clip, cutting.first, cutting.end, digest_file(clip.path))

    def idles(self) -> Iterator[tuple[int, Idle]]:
        """Every still, with how its clip is made."""
        for kind, group in groupby(self._project.chunks, key=lambda chunk: chunk.kind):
            chunks = list(group)
            if kind != "still":
                continue
            for chunk in chunks:
                frames = max(1, self._frames(chunk))
                yield chunk.index, self._idle(chunk, frames, last=chunk is chunks[-1])

    def _frames(self, chunk: Chunk) -> int:
        fps = self._project.fps
        return timing.edge(chunk.end, fps) - timing.edge(chunk.start, fps)

    def _idle(self, chunk: Chunk, frames: int, *, last: bool) -> Idle:
        """``last``: the next chunk is not a still too."""
        earlier = [index for index in self._sent if index < chunk.index]
        later = [index for index in self._sent if index > chunk.index]
        ends = [self._ending(self._sent[max(earlier)])] if earlier else []
        begins = []
        if later and (last or not earlier):
            begins.append(self._beginning(self._sent[min(later)]))
        between = []
        restless = not any(footage.dwells for footage in (*ends, *begins))
        if restless and last and frames >= _BORROWED_SECONDS * self._look.fps:
            between = self._borrowed(chunk.index)
        footage = (*ends, *between, *begins)
        return Idle(footage, frames, self._look, after=bool(ends), before=bool(begins))

    def _ending(self, sent: _Sent) -> Footage:
        """The rest in which a clip's tile ends, or just its last frame."""
        last = sent.end - 1
        around = [rest for rest in self._rests_of(sent) if rest.first <= last < rest.end]
        first = max([last + 1 - self._most, *(rest.first for rest in around)])
        return self._footage(sent, Rest(first if around else last, sent.end))

    def _beginning(self, sent: _Sent) -> Footage:
        """The rest in which a clip's tile begins, or just its first frame."""
        around = [rest for rest in self._rests_of(sent) if rest.first <= sent.first < rest.end]
        end = min([sent.first + self._most, *(rest.end for rest in around)])
        return self._footage(sent, Rest(sent.first, end if around else sent.first + 1))

    def _borrowed(self, index: int) -> list[Footage]:
        """The nearest good pause of any clip, or the longest there is, or none."""
        best: Footage | None = None
        for sent in sorted(self._sent.values(), key=lambda sent: abs(sent.chunk.index - index)):
            for rest in self._rests_of(sent):
                cut = Rest(rest.first, min(rest.end, rest.first + self._most))
                found = self._footage(sent, cut)
                if found.dwells and (best is None or cut.frames > best.rest.frames):
                    best = found
            if best is not None and best.rest.frames >= _GOOD_SECONDS * self._look.fps:
                break
        return [best] if best is not None else []

    @property
    def _most(self) -> int:
        return int(MOST_SECONDS * self._look.fps) + 1

    def _footage(self, sent: _Sent, rest: Rest) -> Footage:
        return Footage(sent.clip.path, rest, rest.frames >= LEAST_SECONDS * self._look.fps)

    def _rests_of(self, sent: _Sent) -> list[Rest]:
        """Where a clip rests; looked at once."""
        index = sent.chunk.index
        if index not in self._rests:
            work = Resting(self._look.fps, (self._look.width, self._look.height))
            key = stage_key(work, sent.digest, sent.chunk.sha256 or "")
            known = self._store.load(key)
            if known is None:
                known = [(rest.first, rest.end) for rest in self._found(sent)]
                self._store.save(key, known)
            self._rests[index] = [Rest(first, end) for first, end in known]
        return self._rests[index]

    def _found(self, sent: _Sent) -> list[Rest]:
        copying = copied_as_is(sent.clip, self._look)
        frames = sent.clip.frames if copying else sent.clip.slots(self._look.fps)
        silent = silences(self._layout.sound(sent.chunk.index), self._look.fps, frames)
        openings = []
        for rest in silent:
            mouth = Mouth()
            shown = shown_frames(sent.clip, self._look, rest.first, rest.end, copying=copying)
            openings.append([mouth(frame) for frame in shown])
        return at_rest(silent, openings)

    def key(self, idle: Idle) -> str:
        """The key of an idle clip's work."""
        digests = [self._digests[footage.clip] for footage in idle.footage]
        rests = tuple((one.rest.first, one.rest.end, one.dwells) for one in idle.footage)
        look = idle.look
        size = look.width, look.height
        work = Idling(rests, idle.frames, size, look.fps, idle.after, idle.before)
        return stage_key(work, *digests)
