"""The planner: exact, within the limit, on the grid, whatever the pauses."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.catalog import Billing
from lipsync_kit.plan.choices import Choice
from lipsync_kit.plan.cost import billed_seconds
from lipsync_kit.plan.cuts import (
    WEIGHTS,
    Candidate,
    Rules,
    Tile,
    Weights,
    pause_candidates,
    plan_cuts,
    valley_candidates,
)
from lipsync_kit.plan.grid import frames_between, grid_samples
from lipsync_kit.plan.pauses import Pause, Valley
from lipsync_kit.timing import FRAME_RATES, SAMPLE_RATE, edge, grid_sample

RATES = sorted(FRAME_RATES.values())
SECOND = SAMPLE_RATE


def seconds(value: float) -> int:
    return round(value * SECOND)


@given(st.lists(st.integers(0, 10**7), min_size=1), st.sampled_from(RATES))
def test_the_grid_of_many_frames_is_the_grid_of_each(frames: list[int], fps: Fraction) -> None:
    expected = [grid_sample(frame, fps) for frame in frames]
    assert grid_samples(np.array(frames, np.int64), fps).tolist() == expected


@given(st.integers(0, 10**9), st.integers(0, 10**5), st.sampled_from(RATES))
def test_every_frame_start_of_a_stretch_is_found(start: int, length: int, fps: Fraction) -> None:
    expected = [
        grid_sample(frame, fps)
        for frame in range(edge(start, fps) - 1, edge(start + length, fps) + 2)
        if start <= grid_sample(frame, fps) <= start + length
    ]
    assert frames_between(start, start + length, fps).tolist() == expected


@given(
    st.lists(st.integers(0, 10**9), min_size=1),
    st.integers(1, 10),
    st.integers(0, 10),
)
def test_billing_of_many_pieces_is_the_billing_of_each(
    sent: list[int], unit: int, minimum: int
) -> None:
    billing = Billing(unit=unit, minimum=minimum)
    expected = [billing.seconds(samples) for samples in sent]
    assert billed_seconds(np.array(sent, np.int64), billing).tolist() == expected


def brute_force(
    candidates: list[Candidate], pauses: list[Pause], samples: int, rules: Rules, weights: Weights
) -> float:
    """The least cost over every subset of the candidates and every way to leave silence out."""
    inner = [candidate for candidate in candidates if 0 < candidate.sample < samples]
    best = math.inf
    for count in range(len(inner) + 1):
        for chosen in itertools.combinations(inner, count):
            nodes = [Candidate(0, 0.0), *chosen, Candidate(samples, 0.0)]
            if any(a.sample >= b.sample for a, b in itertools.pairwise(nodes)):
                continue
            best = min(best, _cheapest(nodes, pauses, samples, rules, weights))
    return best


def _cheapest(
    nodes: list[Candidate], pauses: list[Pause], samples: int, rules: Rules, weights: Weights
) -> float:
    total = 0.0
    for start, end in itertools.pairwise(nodes):
        talk = _talk_cost(start, end, pauses, samples, rules, weights)
        still = _still_cost(start, end, pauses, rules, weights)
        total += min(talk, still)
    return total


def _talk_cost(
    start: Candidate,
    end: Candidate,
    pauses: list[Pause],
    samples: int,
    rules: Rules,
    weights: Weights,
) -> float:
    sent = min(samples, end.sample + end.handle) - max(0, start.sample - start.handle)
    if sent > rules.longest:
        return math.inf
    for pause in pauses:
        silence = min(end.sample, pause.end) - max(start.sample, pause.start)
        if rules.skip is not None and silence > rules.skip:
            return math.inf
    short = max(0, rules.shortest - (end.sample - start.sample)) / SECOND
    return (
        weights.second * rules.billing.seconds(sent)
        + weights.seam
        + weights.short * short
        + weights.risk * end.risk
    )


def _still_cost(
    start: Candidate, end: Candidate, pauses: list[Pause], rules: Rules, weights: Weights
) -> float:
    if rules.skip is None:
        return math.inf
    for pause in pauses:
        inside = pause.start <= start.sample < end.sample <= pause.end
        if inside and pause.end - pause.start > rules.skip:
            return weights.seam + weights.risk * end.risk
    return math.inf


def cost(tiles: list[Tile], samples: int, rules: Rules, weights: Weights) -> float:
    total = 0.0
    for tile in tiles:
        risk = tile.cut.risk if tile.cut is not None else 0.0
        total += weights.seam + weights.risk * risk
        if not tile.still:
            short = max(0, rules.shortest - (tile.end - tile.start)) / SECOND
            total += weights.short * short
            total += weights.second * rules.billing.seconds(tile.sent_end - tile.sent_start)
    return total


@st.composite
def boards(draw: st.DrawFn) -> tuple[list[Candidate], list[Pause], int, Rules, Weights]:
    samples = seconds(draw(st.floats(2, 40)))
    places = draw(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=8, unique=True))
    candidates = []
    for place in sorted(places):
        risk = draw(st.floats(0, 5))
        handle = draw(st.sampled_from([0, seconds(0.3)]))
        candidates.append(Candidate(round(place * samples), risk, handle))
    marks = sorted(draw(st.lists(st.floats(0, 1), min_size=2, max_size=4, unique=True)))
    pauses = [
        Pause(round(a * samples), round(b * samples))
        for a, b in zip(marks[::2], marks[1::2], strict=False)
        if b - a > 0.01
    ]
    rules = Rules(
        longest=seconds(draw(st.floats(3, 15))),
        billing=Billing(unit=draw(st.integers(1, 5)), minimum=draw(st.integers(0, 5))),
        shortest=seconds(draw(st.floats(0, 4))),
        skip=draw(st.none() | st.integers(SECOND // 2, 5 * SECOND)),
    )
    weights = Weights(
        second=draw(st.floats(0, 3)), seam=draw(st.floats(0, 3)), risk=draw(st.floats(0, 3))
    )
    return candidates, pauses, samples, rules, weights


@given(boards())
@settings(max_examples=300, deadline=None)
def test_no_other_choice_of_cuts_is_cheaper(
    board: tuple[list[Candidate], list[Pause], int, Rules, Weights],
) -> None:
    candidates, pauses, samples, rules, weights = board
    least = brute_force(candidates, pauses, samples, rules, weights)
    if math.isinf(least):
        with pytest.raises(ValueError, match="no tiling"):
            plan_cuts(candidates, pauses, samples, rules, weights)
        return
    tiles = plan_cuts(candidates, pauses, samples, rules, weights)
    assert cost(tiles, samples, rules, weights) == pytest.approx(least, rel=1e-9, abs=1e-9)


@st.composite
def narrations(draw: st.DrawFn) -> tuple[list[Pause], int]:
    """Pauses between words of any length, as a speaker would leave them."""
    pauses, at = [], 0
    for _ in range(draw(st.integers(0, 60))):
        start = at + seconds(draw(st.floats(0.2, 8)))
        at = start + seconds(draw(st.floats(0.1, 3)))
        pauses.append(Pause(start, at))
    return pauses, at + seconds(draw(st.floats(0.2, 8)))


@given(narrations(), st.sampled_from(RATES), st.floats(4, 60), st.sampled_from(sorted(WEIGHTS)))
@settings(max_examples=60, deadline=None)
def test_every_plan_tiles_on_the_grid_within_the_limit(
    narration: tuple[list[Pause], int], fps: Fraction, limit: float, prefer: str
) -> None:
    pauses, samples = narration
    every = [Valley(int(at), 10.0) for at in frames_between(1, samples, fps)[::12]]
    candidates = pause_candidates(pauses, samples, fps)
    candidates += valley_candidates(every, samples, seconds(0.3))
    rules = Rules(longest=seconds(limit), billing=Billing(minimum=3))
    tiles = plan_cuts(candidates, pauses, samples, rules, WEIGHTS[prefer])  # type: ignore[index]
    assert [tile.start for tile in tiles] == [0, *(tile.end for tile in tiles[:-1])]
    assert tiles[-1].end == samples
    for tile in tiles:
        assert tile.start < tile.end
        assert tile.sent_start <= tile.start
        assert tile.end <= tile.sent_end
        assert tile.sent_end - tile.sent_start <= seconds(limit)
        if tile.cut is not None:
            assert grid_sample(edge(tile.end, fps), fps) == tile.end


def test_cuts_avoid_speech_when_there_are_pauses() -> None:
    pauses = [Pause(seconds(start), seconds(start + 0.4)) for start in range(5, 100, 5)]
    candidates = pause_candidates(pauses, seconds(100), Fraction(25))
    rules = Rules(longest=seconds(29.96), billing=Billing(minimum=3))
    tiles = plan_cuts(candidates, pauses, seconds(100), rules, WEIGHTS["cost"])
    for tile in tiles[:-1]:
        (pause,) = [pause for pause in pauses if pause.start < tile.end < pause.end]
        assert tile.cut is not None
        assert tile.cut.pause_ms == 400
        assert pause.start + seconds(0.12) <= tile.end <= pause.end - seconds(0.12)


def test_durations_land_on_whole_seconds() -> None:
    rng = np.random.default_rng(4)
    starts = np.cumsum(rng.uniform(2, 6, 150))
    pauses = [Pause(seconds(at), seconds(at + rng.uniform(0.3, 0.8))) for at in starts]
    samples = pauses[-1].end + SECOND
    candidates = pause_candidates(pauses, samples, Fraction(25))
    rules = Rules(longest=seconds(29.96), billing=Billing(minimum=3))
    tiles = plan_cuts(candidates, pauses, samples, rules, WEIGHTS["cost"])
    billed = sum(rules.billing.seconds(tile.end - tile.start) for tile in tiles)
    assert billed <= 1.003 * samples / SECOND


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_every_preset_is_the_best_at_its_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.uniform(1, 4, 150))
    pauses = [Pause(seconds(at), seconds(at + rng.uniform(0.12, 0.8))) for at in starts]
    samples = pauses[-1].end + SECOND
    candidates = pause_candidates(pauses, samples, Fraction(25))
    rules = Rules(longest=seconds(29.96), billing=Billing(minimum=3))
    plans = {
        name: plan_cuts(candidates, pauses, samples, rules, weights)
        for name, weights in WEIGHTS.items()
    }
    billed = {name: sum(Choice.of(plan, rules.billing).seconds) for name, plan in plans.items()}
    risks = {name: sum(tile.cut.risk for tile in plan if tile.cut) for name, plan in plans.items()}
    assert billed["cost"] == min(billed.values())
    assert len(plans["seams"]) <= len(plans["quality"]) <= len(plans["cost"])
    assert len(plans["seams"]) < len(plans["cost"])
    assert risks["quality"] == min(risks.values())


def test_long_silence_is_not_sent_when_asked() -> None:
    pauses = [Pause(seconds(20), seconds(65)), Pause(seconds(75), seconds(75.5))]
    samples = seconds(90)
    candidates = pause_candidates(pauses, samples, Fraction(25))
    rules = Rules(longest=seconds(29.96), billing=Billing(minimum=3), skip=SECOND)
    tiles = plan_cuts(candidates, pauses, samples, rules, WEIGHTS["cost"])
    (still,) = [tile for tile in tiles if tile.still]
    assert 0 < still.start - seconds(20) <= SECOND
    assert 0 < seconds(65) - still.end <= SECOND
    billed = sum(
        rules.billing.seconds(tile.sent_end - tile.sent_start) for tile in tiles if not tile.still
    )
    assert billed <= 47


def test_a_valley_gets_handles_within_the_limit() -> None:
    valleys = [Valley(seconds(at), 10.0) for at in range(1, 95)]
    rules = Rules(longest=seconds(29.96), billing=Billing(minimum=3))
    candidates = valley_candidates(valleys, seconds(95), seconds(0.3))
    tiles = plan_cuts(candidates, [], seconds(95), rules, WEIGHTS["cost"])
    assert len(tiles) == 4
    for before, after in itertools.pairwise(tiles):
        assert before.sent_end == before.end + seconds(0.3)
        assert after.sent_start == after.start - seconds(0.3)
        assert before.sent_end - before.sent_start <= rules.longest
