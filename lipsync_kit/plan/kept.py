"""Cuts that stay after an edit: unchanged stretches, and the tiles that lie in them.

Pure: two sequences of fingerprints and the tiles of the plan before in, tiles of the new
timeline out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lipsync_kit.plan.cuts import Tile
from lipsync_kit.timing import SAMPLE_RATE

Marks = npt.NDArray[np.uint64]
Ends = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """Sound that is the same: ``[before, before + length)`` then, ``[after, …)`` now."""

    before: int
    after: int
    length: int


def unchanged(old_ends: Ends, old_marks: Marks, new_ends: Ends, new_marks: Marks) -> list[Stretch]:
    """Stretches that two sounds share in the same order, in samples of their source.

    Pieces that occur once in both are matched in their longest common order (patience diff),
    then every match is extended over what follows and precedes it.
    """
    old, new = old_marks.tolist(), new_marks.tolist()
    pairs = _anchors(old, new)
    stretches: list[Stretch] = []
    i = j = 0
    for a, b in [*pairs, (len(old), len(new))]:
        if a < i or b < j:
            continue  # already inside the stretch before
        first, second = a, b
        while first > i and second > j and old[first - 1] == new[second - 1]:
            first, second = first - 1, second - 1
        i, j = a, b
        while i < len(old) and j < len(new) and old[i] == new[j]:
            i, j = i + 1, j + 1
        if i > first:
            stretches.append(_stretch(old_ends, new_ends, first, i, second))
    return stretches


def _anchors(old: list[int], new: list[int]) -> list[tuple[int, int]]:
    """Pairs of positions of pieces that are unique in both, in their longest common order."""
    where = _unique(new)
    pairs = [(i, where[mark]) for mark, i in _unique(old).items() if mark in where]
    pairs.sort()
    tails: list[int] = []
    ends: list[int] = []
    links: list[int] = []
    for index, (_, position) in enumerate(pairs):
        at = bisect_left(tails, position)
        if at == len(tails):
            tails.append(position)
            ends.append(index)
        else:
            tails[at], ends[at] = position, index
        links.append(ends[at - 1] if at else -1)
    chosen = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = links[index]
    return chosen[::-1]


def _unique(marks: list[int]) -> dict[int, int]:
    seen: dict[int, int] = {}
    for index, mark in enumerate(marks):
        seen[mark] = -1 if mark in seen else index
    return {mark: index for mark, index in seen.items() if index >= 0}


def _stretch(old_ends: Ends, new_ends: Ends, first: int, last: int, second: int) -> Stretch:
    before = int(old_ends[first - 1]) if first else 0
    after = int(new_ends[second - 1]) if second else 0
    return Stretch(before, after, int(old_ends[last - 1]) - before)


@dataclass(frozen=True)
class Kept:
    """A tile of the plan before, and where it lies now: ``shift`` samples later."""

    tile: Tile
    shift: int

    @property
    def moved(self) -> Tile:
        """The tile on the new timeline."""
        shift = self.shift
        cut = self.tile.cut
        return replace(
            self.tile,
            start=self.tile.start + shift,
            end=self.tile.end + shift,
            sent_start=self.tile.sent_start + shift,
            sent_end=self.tile.sent_end + shift,
            cut=None if cut is None else replace(cut, sample=cut.sample + shift),
            kept=True,
        )


def keep(
    tiles: Sequence[Tile],
    stretches: Sequence[Stretch],
    source_rate: int,
    old_samples: int,
    new_samples: int,
) -> list[Kept]:
    """The tiles whose sound is unchanged, in order, with their place on the new timeline.

    ``old_samples``/``new_samples``: lengths of both timelines. The sound's first and last
    tile only stay first and last.
    """
    kept = []
    for tile in tiles:
        for stretch in stretches:
            shift = _shift(stretch, source_rate)
            if tile.end == old_samples:
                shift = new_samples - old_samples  # rounding may have cost the end a sample
            if not _covers(stretch, tile, source_rate):
                continue
            begins, ends = tile.start + shift, tile.end + shift
            if (tile.start == 0) == (begins == 0) and (tile.end == old_samples) == (
                ends == new_samples
            ):
                kept.append(Kept(tile, shift))
                break
    return _one_shift_a_run(kept)


def _shift(stretch: Stretch, source_rate: int) -> int:
    """How much later the stretch is now, in samples of the 48 kHz timeline."""
    return round(Fraction(stretch.after - stretch.before) * SAMPLE_RATE / source_rate)


def _covers(stretch: Stretch, tile: Tile, source_rate: int) -> bool:
    first = tile.sent_start * source_rate // SAMPLE_RATE
    last = -(-tile.sent_end * source_rate // SAMPLE_RATE)
    # The timeline's end may round up to a sample that the source does not have.
    return stretch.before <= first and last - 1 <= stretch.before + stretch.length


def _one_shift_a_run(kept: list[Kept]) -> list[Kept]:
    """Neighbours of one stretch moved alike: the last one's shift decides for its run."""
    out: list[Kept] = []
    for item in reversed(kept):
        shift = item.shift
        if out and item.tile.end == out[-1].tile.start and abs(shift - out[-1].shift) == 1:
            shift = out[-1].shift
        out.append(Kept(item.tile, shift))
    return [item for item in reversed(out) if item.tile.start + item.shift >= 0]


def gaps(kept: Sequence[Kept], samples: int) -> list[tuple[int, int]]:
    """What lies between kept tiles on the new timeline, in samples."""
    out = []
    at = 0
    for item in kept:
        if item.moved.start > at:
            out.append((at, item.moved.start))
        at = item.moved.end
    if at < samples:
        out.append((at, samples))
    return out


def released(kept: Sequence[Kept], samples: int, shortest: int) -> list[Kept]:
    """``kept`` without the shorter neighbour of every gap too short to be a tile of its own."""
    left = list(kept)
    while True:
        short = [gap for gap in gaps(left, samples) if gap[1] - gap[0] < shortest]
        beside = [
            item
            for start, end in short[:1]
            for item in left
            if item.moved.end == start or item.moved.start == end
        ]
        if not beside:
            return left
        left.remove(min(beside, key=lambda item: item.tile.end - item.tile.start))
