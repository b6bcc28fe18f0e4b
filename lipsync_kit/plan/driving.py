"""Where a driving video is split: on scene cuts, and where the driver moves least.

A service that trims the first second of its result is sent every piece with a second before
it, so that after trimming the pieces join without a gap; the first piece has no frames before
it and begins with its own first frame, held. Costs are in seconds: 1.0 weighs as much as one
billed second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lipsync_kit.catalog import Billing
from lipsync_kit.plan.cost import billed_seconds
from lipsync_kit.plan.grid import grid_samples
from lipsync_kit.schema import Chunk, Cut
from lipsync_kit.timing import SAMPLE_RATE, clock, grid_sample

Movement = npt.NDArray[np.float32]
"""For each film frame, how much differs from the frame before; 0 for the first."""

_SEAM = 0.5
_RISK = 3.0  # of cutting amid the wildest movement; half of it amid the usual
_SHORTEST = 3  # seconds of a piece below which it is a short one
_RESTING = 0.25  # of the usual movement
_REST = Fraction(1, 5)  # seconds of rest that make a pause


@dataclass(frozen=True)
class Piece:
    """Film frames ``[start, end)``, sent with ``lead`` more before them.

    ``cut``: what its end is; ``rest``: frames around its end in which the driver hardly moves.
    """

    start: int
    end: int
    lead: int
    cut: Cut
    rest: int = 0


@dataclass(frozen=True)
class Rules:
    """What every plan keeps.

    ``longest``: frames that may be sent at once; ``lead``: of those, frames before the piece.
    """

    fps: Fraction
    longest: int
    lead: int
    billing: Billing


def find_scenes(change: Movement, fps: Fraction) -> list[int]:
    """Frames that begin a new scene.

    ``change``: of each frame against the one before, 0 to 255, over the whole picture, blurred.
    A cut stands alone: whatever moves fast changes the frames around as well. A jump within
    one scene changes less, so it has to stand out more.
    """
    reach = max(2, round(fps * Fraction(3, 10)))
    padded = np.pad(change.astype(np.float32), reach)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).copy()
    around[:, reach] = 0
    others = around.max(axis=1)
    scene = (change >= 8) & (change >= 2.5 * others)
    jump = (change >= 2) & (change >= 6 * others)
    return [int(frame) for frame in np.flatnonzero(scene | jump)]


def lead_frames(fps: Fraction) -> int:
    """Frames that begin within the first second of a video."""
    return math.ceil(fps)


def plan_pieces(movement: Movement, scenes: Sequence[int], rules: Rules) -> list[Piece]:
    """The cheapest way to split a video: exact, by a dynamic programme over its frames.

    ``scenes``: frames that begin a new scene. Raises :class:`ValueError` when the limit leaves
    no room for a frame.
    """
    frames = len(movement)
    if rules.longest <= rules.lead:
        raise ValueError(f"{rules.longest} frames leave none beside a lead of {rules.lead}")
    risk = cut_risk(movement, scenes)
    at = _candidates(risk, scenes, rules)
    before = _cheapest(at, risk[np.minimum(at, frames - 1)], rules)
    ends = [len(at) - 1]
    while before[ends[-1]] > 0:
        ends.append(int(before[ends[-1]]))
    bounds = [0, *(int(at[node]) for node in reversed(ends))]
    resting = _resting(movement)
    known = set(scenes)
    return [
        _piece(start, end, frames, rules.lead, known, resting) for start, end in pairwise(bounds)
    ]


def cut_risk(movement: Movement, scenes: Sequence[int]) -> Movement:
    """How visible a seam before each frame would be, in seconds: 0 at a scene's start."""
    calm = movement.astype(np.float32, copy=True)
    calm[list(scenes)] = 0  # a cut is no movement of the driver
    padded = np.pad(calm, 2, mode="edge")
    around = np.convolve(padded, np.full(5, 0.2, np.float32), mode="valid")
    usual = _usual(calm)
    risk = (_RISK * around / (around + usual)).astype(np.float32)
    risk[list(scenes)] = 0
    return risk


def _usual(movement: Movement) -> float:
    moving = movement[movement > 0]
    return max(float(np.median(moving)) if len(moving) else 0.0, 1e-3)


def _resting(movement: Movement) -> npt.NDArray[np.bool_]:
    return movement < _RESTING * _usual(movement)


def _candidates(risk: Movement, scenes: Sequence[int], rules: Rules) -> npt.NDArray[np.int64]:
    """The calmest frame of every tenth of a second, every scene's start, and both ends."""
    group = max(1, min(math.floor(rules.fps / 10), (rules.longest - rules.lead) // 2))
    frames = len(risk)
    calmest = [
        first + int(np.argmin(risk[first : first + group])) for first in range(0, frames, group)
    ]
    inner = {frame for frame in (*calmest, *scenes) if 0 < frame < frames}
    return np.array([0, *sorted(inner), frames], np.int64)


def _cheapest(at: npt.NDArray[np.int64], risk: Movement, rules: Rules) -> npt.NDArray[np.intp]:
    """For each candidate, the one at which the best plan up to it starts its last piece."""
    longest = rules.longest - rules.lead
    samples = grid_samples(at, rules.fps)
    sent_from = grid_samples(at - rules.lead, rules.fps)
    firsts = np.searchsorted(at, at - longest, side="left")
    total = np.full(len(at), np.inf)
    total[0] = 0.0
    before = np.zeros(len(at), np.intp)
    for end in range(1, len(at)):
        first = int(firsts[end])
        if first == end:
            continue
        seconds = billed_seconds(samples[end] - sent_from[first:end], rules.billing)
        tile = (samples[end] - samples[first:end]) / SAMPLE_RATE
        costs = total[first:end] + seconds + np.maximum(0, _SHORTEST - tile) + _SEAM
        best = int(np.argmin(costs))
        total[end] = costs[best] + (float(risk[end]) if end < len(at) - 1 else 0.0)
        before[end] = first + best
    if not np.isfinite(total[-1]):
        raise ValueError("no split within the limit: candidates lie too far apart")
    return before


def _piece(
    start: int, end: int, frames: int, lead: int, scenes: set[int], resting: npt.NDArray[np.bool_]
) -> Piece:
    if end == frames:
        return Piece(start, end, lead, "end")
    if end in scenes:
        return Piece(start, end, lead, "scene")
    first = last = end
    while first > start and resting[first]:
        first -= 1
    while last < frames and resting[last]:
        last += 1
    return Piece(start, end, lead, "valley", last - first if resting[end] else 0)


def describe(pieces: Sequence[Piece], fps: Fraction) -> list[Chunk]:
    """The pieces as chunks of the plan, in samples of the 48 kHz timeline, without files.

    ``sent_start`` lies a lead before ``start``, so the first piece's is negative: what is sent
    there is the first frame, held.
    """
    chunks = []
    for index, piece in enumerate(pieces):
        start, end = grid_sample(piece.start, fps), grid_sample(piece.end, fps)
        sent = grid_sample(piece.start - piece.lead, fps)
        pause = Fraction(piece.rest) / fps
        cut: Cut = "pause" if piece.cut == "valley" and pause >= _REST else piece.cut
        milliseconds = round(pause * 1000) if cut == "pause" else 0
        chunks.append(
            Chunk(
                index=index,
                start=start,
                end=end,
                sent_start=sent,
                sent_end=end,
                path=None,
                cut=cut,
                pause_ms=milliseconds,
                reason=_reason(cut, end, end - sent, milliseconds),
            )
        )
    return chunks


def _reason(cut: Cut, end: int, sent: int, milliseconds: int) -> str:
    what = {
        "pause": f"the driver rests for {milliseconds} ms",
        "valley": "the least movement in reach",
        "scene": "a scene cut",
        "end": "the video ends",
    }[cut]
    return f"{what} at {clock(end / SAMPLE_RATE)}; sends {sent / SAMPLE_RATE:.2f} s"
