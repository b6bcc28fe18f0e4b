"""Seams: how visible a join is, and a short blend that hides it.

The frames of a clip after its join are never touched, so that they can be copied; a blend
replaces the last frames before it. It starts at the frame that leads to the first frame of
the next clip with the smallest steps, and goes there by optical flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lipsync_kit.postprocess.morph import Path, Still, morph, path_between
from lipsync_kit.postprocess.tile import SeamKind, Seams

NEIGHBOURS = 12
"""Steps on either side of a join that say how the clips move by themselves."""

SMOOTH = 2.0
"""The score up to which a hard cut is left as it is: a tenth of all steps inside a clip, a key
frame as likely as not, are as large."""

TARGET = 1.0
"""The score that a blend aims at with as few frames as can be."""

_PATHS = 3
"""Paths that are tried."""

_STILL = 0.15
"""Luma steps of a clip that hardly moves; noise alone makes as much."""


@dataclass(frozen=True)
class Join:
    """How two clips are joined.

    ``blended``: frames that replace the last ones before the join. ``hard`` and ``score``:
    the largest step across the join over the clips' own median step, as a hard cut and as
    made. ``sharpness``: the least of the blended frames' over their neighbours' mean.
    """

    kind: SeamKind
    hard: float
    score: float
    blended: tuple[Still, ...] = field(default=(), repr=False)
    sharpness: float = 1.0


def join(
    before: Sequence[Still],
    target: Still,
    steps: Sequence[float],
    seams: Seams,
    most: int,
    held: int = 0,
) -> Join:
    """Choose how the frames ``before`` go over into ``target``.

    ``before``: at least one frame; ideally ``most`` + 1. ``steps``: those on either side of
    the join (:func:`steps_of`). ``most``: frames that a blend may replace; ``held``: how many
    of ``before`` only repeat the last one of the clip, which a blend replaces first. A smooth
    join is cut hard under ``auto``; a blend that makes nothing better is not used there either.
    """
    own = sorted(step for step in steps if step > 0)  # frames that only repeat don't count
    usual = max(own[len(own) // 2], _STILL) if own else _STILL
    hard = before[-1].step(target) / usual
    cut = Join("cut", hard, hard)
    most = min(most, len(before) - 1)
    lively = own[len(own) * 9 // 10] / usual if own else 1.0
    if seams == "cut" or most < 1 or (seams == "auto" and hard <= max(SMOOTH, lively)):
        return cut
    if seams == "dissolve":
        faded = dissolve(before[len(before) - most :], target)
        return _joined("dissolve", before[-1 - most], faded, target, usual, hard)
    path = _best_path(before, target, range(max(1, min(held, most)), most + 1), usual)
    moved = list(morph(path))
    made = _joined("morph", path.start, moved, target, usual, hard)
    return made if seams == "morph" or made.score < hard else cut


def steps_of(frames: Iterable[Still]) -> list[float]:
    """The steps from frame to frame; one frame is held at a time."""
    return [one.step(two) for one, two in pairwise(frames)]


def _joined(
    kind: SeamKind,
    start: Still,
    blended: Sequence[Still],
    target: Still,
    usual: float,
    hard: float,
) -> Join:
    score = max(one.step(two) for one, two in pairwise([start, *blended, target])) / usual
    around = (start.sharpness + target.sharpness) / 2
    sharpness = min(still.sharpness for still in blended) / around if around else 1.0
    return Join(kind, hard, score, tuple(blended), sharpness)


def _best_path(before: Sequence[Still], target: Still, counts: range, usual: float) -> Path:
    """The shortest blend whose steps look like the clips' own, or the one that comes nearest.

    A path is never shorter than the straight difference, which is cheap to tell.
    """
    straight = {count: before[-1 - count].step(target) / (count + 1) for count in counts}
    likely = [count for count in counts if straight[count] <= TARGET * usual]
    nearest = sorted(counts, key=straight.__getitem__)
    best: Path | None = None
    for count in [*likely, *nearest][:_PATHS]:
        path = path_between(before[-1 - count], target, count)
        if best is None or path.step < best.step:
            best = path
        if best.step <= TARGET * usual:
            break
    assert best is not None
    return best


def dissolve(before: Sequence[Still], target: Still) -> list[Still]:
    """``before`` fading into ``target``, evenly."""
    import cv2
    import numpy as np

    count = len(before)
    return [
        Still(
            np.asarray(cv2.addWeighted(still.planes, 1 - share, target.planes, share, 0), np.uint8)
        )
        for place, still in enumerate(before, start=1)
        for share in (place / (count + 1),)
    ]
