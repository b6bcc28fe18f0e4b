"""Where to cut: the least total of cuts in speech, billed seconds, seams and short chunks.

An exact dynamic programme over every candidate: the best plan up to a cut is the best plan up
to some earlier cut, plus one chunk. Costs are in seconds: 1.0 weighs as much as one billed
second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from lipsync_kit.catalog import Billing
from lipsync_kit.plan.cost import billed_seconds
from lipsync_kit.plan.grid import Samples, frames_between
from lipsync_kit.plan.pauses import Pause, Valley
from lipsync_kit.timing import SAMPLE_RATE, edge, grid_sample

Preference = Literal["cost", "seams", "quality"]

_FADES = 0.15  # seconds in which the word before a pause may still fade away, unheard by the meter
_SETS_IN = 0.12  # seconds before the next word in which a cut comes close to it
_MOST = 40  # positions tried in one pause

COMFORT = 0.35
"""Seconds of pause from which on a seam is easy to hide."""


@dataclass(frozen=True)
class Weights:
    """Prices, in seconds: of a billed second, a seam, the risk of a cut and a short chunk."""

    second: float = 1.0
    seam: float = 0.05
    risk: float = 1.0
    short: float = 1.0


WEIGHTS: dict[Preference, Weights] = {
    "cost": Weights(),
    "seams": Weights(seam=2.0),
    "quality": Weights(seam=1.0, risk=20.0),
}


@dataclass(frozen=True)
class Candidate:
    """A place where the plan may cut.

    ``risk``: how bad, in seconds. ``handle``: samples that both neighbours are sent beyond
    it. ``pause_ms``: length of its pause, ``None`` in speech.
    """

    sample: int
    risk: float
    handle: int = 0
    pause_ms: int | None = None


@dataclass(frozen=True)
class Rules:
    """What every plan keeps.

    ``longest``: samples that may be sent at once. ``shortest``: samples of a tile below which
    it is a short chunk. ``skip``: samples of silence above which it is not sent, or ``None``.
    """

    longest: int
    billing: Billing
    shortest: int = 3 * SAMPLE_RATE
    skip: int | None = None


@dataclass(frozen=True)
class Tile:
    """One planned chunk, in samples; ``cut`` is what its end is, ``None`` at the sound's end.

    ``kept``: taken over from the plan before an edit.
    """

    start: int
    end: int
    sent_start: int
    sent_end: int
    still: bool
    cut: Candidate | None
    kept: bool = False


def pause_candidates(pauses: Sequence[Pause], samples: int, fps: Fraction) -> list[Candidate]:
    """Places on the frame grid inside each pause, with the risk of cutting there.

    The risk grows near the pause's edges (a word's end may be softer than the meter heard),
    in short pauses (a seam shows more), and where the voice detector hears speech.
    """
    found = []
    for pause in pauses:
        at = _positions(pause, fps)
        at = at[(at > 0) & (at < samples)]
        # Before the first word and after the last there is no edge to come near.
        after = at - pause.start if pause.start > 0 else np.full(len(at), samples)
        ahead = pause.end - at if pause.end < samples else np.full(len(at), samples)
        near = (
            np.maximum(_FADES - after / SAMPLE_RATE, 0) ** 2
            + np.maximum(_SETS_IN - ahead / SAMPLE_RATE, 0) ** 2
        )
        if pause.seconds < _FADES + _SETS_IN and pause.quietest is not None:
            # No place is far from both words: the dip between them, then.
            near = ((at - pause.quietest) / SAMPLE_RATE) ** 2 + 0.01
        risks = (
            max(0.0, COMFORT - pause.seconds)
            + 2 * max(0.0, pause.voiced - 0.3) * math.exp(-4 * pause.seconds)
            + 60 * near
        )
        found += [
            Candidate(sample, risk, 0, round(pause.seconds * 1000))
            for sample, risk in zip(at.tolist(), risks.tolist(), strict=True)
        ]
    return found


def _positions(pause: Pause, fps: Fraction) -> Samples:
    """Frame starts inside a pause, or the one nearest to its middle, in samples."""
    margin = min(int(0.06 * SAMPLE_RATE), (pause.end - pause.start) // 3)
    inside = frames_between(pause.start + margin, pause.end - margin, fps)
    if not len(inside):
        middle = grid_sample(edge((pause.start + pause.end) // 2, fps), fps)
        return np.array([middle] if pause.start < middle < pause.end else [], np.int64)
    if len(inside) <= _MOST:
        return inside
    # A long pause: every frame near its edges, a few in between.
    near = _MOST // 3
    between = np.linspace(near, len(inside) - near - 1, _MOST - 2 * near).astype(np.intp)
    return np.concatenate([inside[:near], inside[between], inside[-near:]])


def valley_candidates(valleys: Sequence[Valley], samples: int, handle: int) -> list[Candidate]:
    """Valleys as candidates: far worse than any pause, the less so the likelier a word ends."""
    return [
        Candidate(
            valley.sample,
            6 + 15 * (1 - valley.boundary) + max(0.0, 30 - valley.depth),
            handle,
        )
        for valley in valleys
        if 0 < valley.sample < samples
    ]


def plan_cuts(
    candidates: Sequence[Candidate],
    pauses: Sequence[Pause],
    samples: int,
    rules: Rules,
    weights: Weights,
    span: tuple[Candidate, Candidate] | None = None,
) -> list[Tile]:
    """The cheapest tiling of ``[0, samples)`` over all subsets of ``candidates``.

    ``span``: two fixed cuts to plan between, instead of the sound's start and end.
    Raises :class:`ValueError` when no tiling keeps ``rules.longest``.
    """
    first, last = span or (Candidate(0, 0.0), Candidate(samples, 0.0))
    board = _Board(candidates, first, last, samples, rules, weights)
    if rules.skip is not None:
        board.skip_silences(pauses, rules.skip)
    return board.solve()


class _Board:
    """The candidates as arrays, between a first and a last cut that are given."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        first: Candidate,
        last: Candidate,
        samples: int,
        rules: Rules,
        weights: Weights,
    ) -> None:
        best: dict[int, Candidate] = {}
        for candidate in sorted(candidates, key=lambda item: (item.sample, item.risk)):
            if first.sample < candidate.sample < last.sample:
                best.setdefault(candidate.sample, candidate)
        self.nodes = [first, *best.values(), last]
        self.rules, self.weights, self.samples = rules, weights, samples
        self.at = np.array([node.sample for node in self.nodes], np.int64)
        self.risk = np.array([node.risk for node in self.nodes]) * weights.risk
        handles = np.array([node.handle for node in self.nodes], np.int64)
        self.sent_from = np.maximum(0, self.at - handles)
        self.sent_to = np.minimum(samples, self.at + handles)
        self.shorts = np.searchsorted(self.at, self.at - rules.shortest, side="right")
        self.bound = bool(handles.any())
        self.earliest = np.zeros(len(self.nodes), np.int64)
        self.stills: dict[int, list[int]] = {}

    def skip_silences(self, pauses: Sequence[Pause], skip: int) -> None:
        """Forbid talk chunks that would send more than ``skip`` of a pause; allow stills."""
        self.bound = True
        for pause in pauses:
            if pause.end - pause.start <= skip:
                continue
            within = np.minimum(self.at, pause.end)
            bound = within - pause.start > skip
            self.earliest[bound] = np.maximum(self.earliest[bound], within[bound] - skip)
            inside = np.flatnonzero((self.at >= pause.start) & (self.at <= pause.end))
            for end in inside:
                starts = [int(start) for start in inside if start < end]
                self.stills.setdefault(int(end), []).extend(starts)

    def chunk_costs(self, first: int, end: int) -> npt.NDArray[np.float64]:
        """Cost of a talk chunk to node ``end`` from each of the nodes ``first..end-1``."""
        sent = self.sent_to[end] - self.sent_from[first:end]
        seconds = billed_seconds(sent, self.rules.billing).astype(np.float64)
        costs: npt.NDArray[np.float64] = seconds * self.weights.second + (
            self.weights.seam + self.risk[end]
        )
        # Starts rise, so only the last ones are short, and only handles break the limit here.
        short = int(self.shorts[end])
        missing = self.rules.shortest - (self.at[end] - self.at[max(first, short) : end])
        costs[max(0, short - first) :] += missing * (self.weights.short / SAMPLE_RATE)
        if self.bound:
            too_long = sent > self.rules.longest
            costs[too_long | (self.at[first:end] < self.earliest[end])] = np.inf
        return costs

    def solve(self) -> list[Tile]:
        """The cheapest way from the first node to the last."""
        count = len(self.nodes)
        total = np.full(count, np.inf)
        total[0] = 0.0
        before = np.zeros(count, np.intp)
        still = np.zeros(count, np.bool_)
        firsts = np.searchsorted(self.at, self.at - self.rules.longest, side="left")
        for end in range(1, count):
            first = int(firsts[end])
            costs = total[first:end] + self.chunk_costs(first, end)
            if len(costs):
                cheapest = int(np.argmin(costs))
                total[end], before[end] = costs[cheapest], first + cheapest
            for start in self.stills.get(end, ()):
                cost = total[start] + self.weights.seam + self.risk[end]
                if cost < total[end]:
                    total[end], before[end], still[end] = cost, start, True
        if not np.isfinite(total[-1]):
            raise ValueError("no tiling within the limit: candidates lie too far apart")
        return self._tiles(before, still)

    def _tiles(self, before: npt.NDArray[np.intp], still: npt.NDArray[np.bool_]) -> list[Tile]:
        tiles, end = [], len(self.nodes) - 1
        while end > 0:
            start = int(before[end])
            tiles.append(
                Tile(
                    start=int(self.at[start]),
                    end=int(self.at[end]),
                    sent_start=int(self.at[start] if still[end] else self.sent_from[start]),
                    sent_end=int(self.at[end] if still[end] else self.sent_to[end]),
                    still=bool(still[end]),
                    cut=self.nodes[end] if self.at[end] < self.samples else None,
                )
            )
            end = start
        return tiles[::-1]
