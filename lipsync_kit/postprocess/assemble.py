"""A tile's picture: which of its clip's packets are copied and which frames encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat, takewhile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media.x264 import Encoding, Piece, encode
from lipsync_kit.postprocess.conform import Look, conformed, decoded, sources
from lipsync_kit.postprocess.morph import Still
from lipsync_kit.postprocess.seams import NEIGHBOURS, Join, steps_of
from lipsync_kit.postprocess.splice import Copied, Part, frames_of
from lipsync_kit.postprocess.survey import CopyRange, Survey, copy_range
from lipsync_kit.postprocess.tile import ClipFacts, Tile, Way

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

PATCH = Encoding(preset="fast", crf=12, bframes=0)
"""How the few frames at a join are encoded: so well that the encoder makes no step there."""

WHOLE = Encoding(preset="veryfast", crf=17, bframes=2, keyint=50)
"""How whole clips are encoded."""

HEAD = NEIGHBOURS + 1
"""Frames of a tile's beginning that the seam before it looks at."""


@dataclass(frozen=True)
class Cutting:
    """What a tile takes from its clip, in the clip's frames on the film's grid.

    ``first``/``end``: frames shown; ``held``: repeats of the last; ``trimmed``: frames left
    off the end beyond the handle. ``copying``: whether packets may be copied.
    """

    first: int
    end: int
    held: int
    trimmed: int
    copying: bool

    @property
    def frames(self) -> int:
        """Frames taken, held ones counted."""
        return self.end - self.first + self.held

    def shortened(self, frames: int) -> Cutting:
        """The same without its last frames, held ones first."""
        held = max(0, self.held - frames)
        return replace(self, held=held, end=self.end - max(0, frames - self.held))

    def run(self, clip: Survey) -> CopyRange | None:
        """The packets to copy; ``None`` when every frame is to be encoded."""
        if not self.copying:
            return None
        return copy_range(clip.display, clip.keys, self.first, self.end)


def cut_out(tile: Tile, budget: int, clip: Survey, look: Look, *, copying: bool) -> Cutting:
    """Decide what a tile takes from its clip; of one that ends before, the last frame."""
    available = clip.frames if copying else clip.slots(look.fps)
    first = min(tile.lead, available - 1)
    end = min(first + budget, available)
    return Cutting(
        first=first,
        end=end,
        held=first + budget - end,
        trimmed=max(0, available - tile.lead - budget - tile.tail),
        copying=copying,
    )


def shown_frames(
    clip: Survey, look: Look, first: int, end: int, *, copying: bool
) -> Iterator[VideoFrame]:
    """Frames ``[first, end)`` of a clip on the film's grid, in the film's look."""
    if copying:
        return (frame for _, frame in decoded(clip, first, end))
    return conformed(clip, look, sources(clip, look.fps)[first:end])


@dataclass(frozen=True)
class Bench:
    """Where and how pieces are encoded: a folder for them, the film's look, the encoding.

    ``stop``: set from outside to give up at the next frame.
    """

    folder: Path
    look: Look
    whole: Encoding = WHOLE
    stop: Event = field(default_factory=Event)

    def piece(self, name: str, frames: Iterable[VideoFrame], how: Encoding) -> Piece:
        """Encode frames to a piece of this name."""
        look = self.look
        path = self.folder / name
        kept = takewhile(lambda _: not self.stop.is_set(), frames)
        return encode(kept, path, width=look.width, height=look.height, fps=look.fps, how=how)


@dataclass(frozen=True)
class Ending:
    """How a tile ends.

    ``join`` decides from the tile's last frames, of which it may replace ``most``, from the
    steps between those that lead there, and from how many are held.
    """

    most: int
    join: Callable[[Sequence[Still], Sequence[float], int], Join]

    @property
    def window(self) -> int:
        """Frames at the tile's end that are looked at."""
        return self.most + NEIGHBOURS + 1

    def choose(self, last: Iterable[Still], held: int) -> Join:
        """The join after the frames ``last``; no more of them are kept than it may replace."""
        kept: deque[Still] = deque(maxlen=self.most + 1)
        steps = steps_of(_kept(last, kept))
        return self.join(list(kept), steps[-NEIGHBOURS:], held)


def _kept(stills: Iterable[Still], last: deque[Still]) -> Iterator[Still]:
    for still in stills:
        last.append(still)
        yield still


@dataclass(frozen=True)
class Assembled:
    """A tile's parts in the order in which they are shown, and the join after it."""

    parts: tuple[Part, ...]
    join: Join | None = None


def assemble(
    index: int, clip: Survey, cutting: Cutting, bench: Bench, ending: Ending | None
) -> Assembled:
    """Make a tile's picture. ``ending``: ``None`` for the film's last tile.

    Raises :class:`~lipsync_kit.errors.InputError` when fewer frames can be decoded than the
    clip's packets promise.
    """
    make = _encoded if cutting.run(clip) is None else _copied
    assembled = make(index, clip, cutting, bench, ending)
    frames = sum(frames_of(part) for part in assembled.parts)
    if frames != cutting.frames and not bench.stop.is_set():
        raise InputError(
            f"{clip.path}: damaged: some of its {clip.frames} frames can't be decoded.",
            code="clip_unreadable",
            hint=f"Make it again: lipsync-kit render --retake {index}.",
        )
    return assembled


def _encoded(
    index: int, clip: Survey, cutting: Cutting, bench: Bench, ending: Ending | None
) -> Assembled:
    frames = shown_frames(clip, bench.look, cutting.first, cutting.end, copying=False)
    held = _with_hold(frames, cutting.held)
    finish = _Finish(ending, cutting.held)
    piece = bench.piece(f"{index:04d}", finish.end(held), bench.whole)
    return Assembled((piece,), finish.join)


class _Finish:
    """Lets frames through, and the last of them only once the join is chosen."""

    def __init__(self, ending: Ending | None, held: int) -> None:
        self._ending = ending
        self._held = held
        self.join: Join | None = None

    def end(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        if self._ending is None:
            yield from frames
            return
        last: deque[VideoFrame] = deque()
        for frame in frames:
            last.append(frame)
            if len(last) > self._ending.window:
                yield last.popleft()
        stills = (Still.of(frame) for frame in last)
        self.join = self._ending.choose(stills, min(self._held, len(last)))
        for _ in self.join.blended:
            last.pop()
        yield from last
        yield from (still.frame() for still in self.join.blended)


def _copied(
    index: int, clip: Survey, cutting: Cutting, bench: Bench, ending: Ending | None
) -> Assembled:
    known: dict[int, Still] = {}
    join = None
    if ending is not None:
        join = ending.choose(_last_frames(clip, cutting, ending, known), cutting.held)
    blended = join.blended if join else ()
    kept = cutting.shortened(len(blended))
    run = kept.run(clip)
    if run is None:
        return _encoded(index, clip, cutting, bench, ending)
    parts: list[Part] = []
    if run.frame > kept.first:
        head = _decoded_frames(clip, kept.first, run.frame)
        parts.append(bench.piece(f"{index:04d}-head", head, PATCH))
    parts.append(Copied(clip, run))
    if kept.end > run.end or kept.held or blended:
        tail = chain(_tail(clip, kept, run, known), (still.frame() for still in blended))
        parts.append(bench.piece(f"{index:04d}-tail", tail, PATCH))
    return Assembled(tuple(parts), join)


def _last_frames(
    clip: Survey, cutting: Cutting, ending: Ending, known: dict[int, Still]
) -> Iterator[Still]:
    """The frames that an ending looks at, held ones last; ``known``: those of its last few."""
    start = max(cutting.first, cutting.end - ending.window)
    still = None
    for place, frame in decoded(clip, start, cutting.end):
        still = Still.of(frame)
        if place >= cutting.end - ending.most - 1:
            known[place] = still
        yield still
    if still is not None:
        yield from repeat(still, min(cutting.held, ending.window))


def _tail(
    clip: Survey, kept: Cutting, run: CopyRange, known: Mapping[int, Still]
) -> Iterator[VideoFrame]:
    """The frames after the copied packets: the clip's own, then its last one held.

    ``known``: frames at the clip's end that are decoded already, by their places.
    """
    own = range(run.end, kept.end)
    missing = [place for place in own if place not in known]
    if missing:
        yield from _decoded_frames(clip, missing[0], missing[-1] + 1)
    yield from (known[place].frame() for place in own if place in known)
    if kept.held:
        still = known.get(kept.end - 1)
        last = still.frame() if still else next(_decoded_frames(clip, kept.end - 1, kept.end))
        yield from repeat(last, kept.held)


def _decoded_frames(clip: Survey, first: int, end: int) -> Iterator[VideoFrame]:
    return (frame for _, frame in decoded(clip, first, end))


def _with_hold(frames: Iterator[VideoFrame], held: int) -> Iterator[VideoFrame]:
    last = None
    for last in frames:
        yield last
    if last is not None:
        yield from repeat(last, held)


def facts_of(index: int, cutting: Cutting, assembled: Assembled, reason: str) -> ClipFacts:
    """What became of the clip. ``reason``: why it was not copied, or empty."""
    parts = assembled.parts
    copied = sum(part.range.count for part in parts if isinstance(part, Copied))
    way: Way = "copied" if copied == cutting.frames else "spliced" if copied else "conformed"
    return ClipFacts(
        index=index,
        way=way,
        frames=cutting.frames,
        copied=copied,
        encoded=cutting.frames - copied,
        held=cutting.held,
        blended=len(assembled.join.blended) if assembled.join else 0,
        trimmed=cutting.trimmed,
        reason=reason,
    )
