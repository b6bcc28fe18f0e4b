"""A tile's picture: which of its clip's packets are copied and which frames encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_kit.errors import InputError
from lipsync_kit.media.x264 import Encoding, Piece, encode
from lipsync_kit.postprocess.conform import Look, conformed, decoded, sources
from lipsync_kit.postprocess.splice import Copied, Part
from lipsync_kit.postprocess.survey import CopyRange, Survey, copy_range
from lipsync_kit.postprocess.tile import ClipFacts, Tile, Way

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

PATCH = Encoding(preset="veryfast", crf=16, bframes=0)
"""How the few frames at a join are encoded."""

WHOLE = Encoding(preset="veryfast", crf=17, bframes=2, keyint=50)
"""How whole clips are encoded."""


@dataclass(frozen=True)
class Cutting:
    """What a tile takes from its clip, in the clip's frames on the film's grid.

    ``first``/``end``: frames shown; ``held``: repeats of the last; ``trimmed``: frames left
    off the end beyond the handle; ``copied``: the packets to copy, ``None`` to encode all.
    """

    first: int
    end: int
    held: int
    trimmed: int
    copied: CopyRange | None

    @property
    def frames(self) -> int:
        """The tile's budget."""
        return self.end - self.first + self.held


def cut_out(tile: Tile, budget: int, clip: Survey, look: Look, *, copying: bool) -> Cutting:
    """Decide what a tile takes from its clip. Raises InputError when the clip has nothing."""
    available = clip.frames if copying else clip.slots(look.fps)
    if available <= tile.lead:
        raise InputError(
            f"{clip.path}: only {available} frames, all before its tile begins.",
            code="clip_short",
            hint="Make it again: lipsync-kit render --retake N.",
        )
    end = min(tile.lead + budget, available)
    return Cutting(
        first=tile.lead,
        end=end,
        held=tile.lead + budget - end,
        trimmed=max(0, available - tile.lead - budget - tile.tail),
        copied=copy_range(clip.display, clip.keys, tile.lead, end) if copying else None,
    )


@dataclass(frozen=True)
class Bench:
    """Where and how pieces are encoded: a folder for them, the film's look, the encoding."""

    folder: Path
    look: Look
    whole: Encoding = WHOLE

    def piece(self, name: str, frames: Iterator[VideoFrame], how: Encoding) -> Piece:
        """Encode frames to a piece of this name."""
        look = self.look
        path = self.folder / name
        return encode(frames, path, width=look.width, height=look.height, fps=look.fps, how=how)


def shown_frames(
    clip: Survey, look: Look, first: int, end: int, *, copying: bool
) -> Iterator[VideoFrame]:
    """Frames ``[first, end)`` of a clip on the film's grid, in the film's look."""
    if copying:
        return (frame for _, frame in decoded(clip, first, end))
    return conformed(clip, look, sources(clip, look.fps)[first:end])


def _with_hold(frames: Iterator[VideoFrame], held: int) -> Iterator[VideoFrame]:
    last = None
    for last in frames:
        yield last
    if last is not None:
        yield from repeat(last, held)


def assemble(
    index: int, clip: Survey, cutting: Cutting, blended: Sequence[VideoFrame], bench: Bench
) -> list[Part]:
    """Make the parts of a tile's picture, in the order in which they are shown.

    ``blended``: frames of the seam that follow what the tile takes from its clip.
    """
    run = cutting.copied
    if run is None:
        frames = shown_frames(clip, bench.look, cutting.first, cutting.end, copying=False)
        whole = chain(_with_hold(frames, cutting.held), blended)
        return [bench.piece(f"{index:04d}", whole, bench.whole)]
    parts: list[Part] = []
    if run.frame > cutting.first:
        frames = shown_frames(clip, bench.look, cutting.first, run.frame, copying=True)
        parts.append(bench.piece(f"{index:04d}-head", frames, PATCH))
    parts.append(Copied(clip, run))
    tail = chain(_tail(clip, cutting, run, bench.look), blended)
    if cutting.end > run.end or cutting.held or blended:
        parts.append(bench.piece(f"{index:04d}-tail", tail, PATCH))
    return parts


def _tail(clip: Survey, cutting: Cutting, run: CopyRange, look: Look) -> Iterator[VideoFrame]:
    """The frames after the copied packets: the clip's own, then its last one held."""
    if cutting.end == run.end and not cutting.held:
        return
    first = min(run.end, cutting.end - 1)
    frames = shown_frames(clip, look, first, cutting.end, copying=True)
    with_hold = _with_hold(frames, cutting.held)
    yield from islice(with_hold, 1 if first < run.end else 0, None)


def facts_of(index: int, cutting: Cutting, parts: Sequence[Part], blended: int) -> ClipFacts:
    """What became of the clip. The reason is the coordinator's to add."""
    copied = sum(part.range.count for part in parts if isinstance(part, Copied))
    total = cutting.frames + blended
    way: Way = "copied" if copied == total else "spliced" if copied else "conformed"
    return ClipFacts(
        index=index,
        way=way,
        frames=total,
        copied=copied,
        encoded=total - copied,
        held=cutting.held,
        blended=blended,
        trimmed=cutting.trimmed,
    )
