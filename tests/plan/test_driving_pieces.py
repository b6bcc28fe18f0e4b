"""Splitting a driving video: within the limit, a second early, where it shows least."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.catalog import Billing
from lipsync_kit.plan.driving import Piece, Rules, cut_risk, describe, lead_frames, plan_pieces
from lipsync_kit.timing import SAMPLE_RATE, edge

NTSC = Fraction(30_000, 1001)
RATES = [Fraction(25), Fraction(30), NTSC, Fraction(24_000, 1001), Fraction(15)]
BILLING = Billing(unit=1, minimum=3)


def rules(fps: Fraction, seconds: int = 30, *, trims: bool = True) -> Rules:
    longest = int(seconds * fps) - 1
    return Rules(fps, longest, lead_frames(fps) if trims else 0, BILLING)


def movement(frames: int, seed: int = 1) -> npt.NDArray[np.float32]:
    wild = np.random.default_rng(seed).gamma(2.0, 1.0, frames).astype(np.float32)
    wild[0] = 0
    return wild


def slow_reference(moves: npt.NDArray[np.float32], scenes: list[int], given_rules: Rules) -> float:
    """The least cost over all subsets of all frames, straight from the definition."""
    risk = cut_risk(moves, scenes)
    n, fps = len(moves), given_rules.fps
    best = [0.0] + [float("inf")] * n
    for end in range(1, n + 1):
        for start in range(end):
            tile = end - start
            if tile + given_rules.lead > given_rules.longest:
                continue
            sent = Fraction(tile + given_rules.lead) / fps
            cost = best[start] + max(3, -(-sent // 1)) + max(0.0, 3 - float(tile / fps)) + 0.5
            cost += float(risk[end]) if end < n else 0.0
            best[end] = min(best[end], cost)
    return best[n]


def cost(pieces: list[Piece], risk: npt.NDArray[np.float32], given_rules: Rules) -> float:
    total = 0.0
    for piece in pieces:
        seconds = Fraction(piece.end - piece.start + piece.lead) / given_rules.fps
        tile = float((piece.end - piece.start) / given_rules.fps)
        total += max(3, -(-seconds // 1)) + max(0.0, 3 - tile) + 0.5
        total += float(risk[piece.end]) if piece.end < len(risk) else 0.0
    return total


@settings(deadline=None, max_examples=40)
@given(
    fps=st.sampled_from(RATES),
    frames=st.integers(2, 4000),
    trims=st.booleans(),
    limit=st.integers(4, 30),
    seed=st.integers(0, 5),
)
def test_pieces_tile_the_video_and_what_is_sent_keeps_the_limit(
    fps: Fraction, frames: int, trims: bool, limit: int, seed: int
) -> None:
    own = rules(fps, limit, trims=trims)
    pieces = plan_pieces(movement(frames, seed), [], own)
    assert [pieces[0].start, pieces[-1].end] == [0, frames]
    assert all(a.end == b.start for a, b in pairwise(pieces))
    assert all(p.end > p.start and p.end - p.start + p.lead <= own.longest for p in pieces)


@settings(deadline=None, max_examples=40)
@given(fps=st.sampled_from(RATES), frames=st.integers(20, 4000), trims=st.booleans())
def test_chunks_lie_on_the_frame_grid_and_start_a_second_early(
    fps: Fraction, frames: int, trims: bool
) -> None:
    chunks = describe(plan_pieces(movement(frames), [], rules(fps, trims=trims)), fps)
    assert chunks[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(chunks))
    lead = lead_frames(fps) if trims else 0
    for chunk in chunks:
        assert edge(chunk.start, fps) - edge(chunk.sent_start, fps) == lead
        assert chunk.sent_end == chunk.end
        assert chunk.sent_end - chunk.sent_start < 30 * SAMPLE_RATE
    assert edge(chunks[-1].end, fps) == frames


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30)])
def test_the_first_piece_starts_exactly_a_second_before_the_video(fps: Fraction) -> None:
    (chunk,) = describe(plan_pieces(movement(100), [], rules(fps)), fps)
    assert chunk.sent_start == -SAMPLE_RATE
    (untrimmed,) = describe(plan_pieces(movement(100), [], rules(fps, trims=False)), fps)
    assert untrimmed.sent_start == 0


def test_a_lead_is_every_frame_that_begins_within_the_first_second() -> None:
    for fps in RATES:
        lead = lead_frames(fps)
        assert Fraction(lead - 1) / fps < 1 <= Fraction(lead) / fps


def test_a_scene_cut_is_taken_before_any_calm_place() -> None:
    moves = movement(2000)
    moves[700:720] = 0.01
    moves[650] = 90.0
    pieces = plan_pieces(moves[:1000], [650], rules(Fraction(25)))
    assert [(p.end, p.cut) for p in pieces] == [(650, "scene"), (1000, "end")]


def test_without_a_scene_cut_the_calmest_moment_is_taken() -> None:
    moves = movement(1200)
    moves[600:612] = 0.01
    first, _ = describe(plan_pieces(moves, [], rules(Fraction(25))), Fraction(25))
    at = edge(first.end, Fraction(25))
    assert 600 <= at <= 612
    assert first.cut == "pause"
    assert 400 <= first.pause_ms <= 560


def test_a_video_that_never_rests_is_cut_in_a_valley() -> None:
    first, *_ = describe(
        plan_pieces(np.full(1200, 2, np.float32), [], rules(Fraction(25))), Fraction(25)
    )
    assert (first.cut, first.pause_ms) == ("valley", 0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 40), scene=st.integers(1, 119))
def test_the_plan_is_the_cheapest_there_is(seed: int, scene: int) -> None:
    own = Rules(Fraction(10), 50, 10, BILLING)
    moves = movement(120, seed)
    pieces = plan_pieces(moves, [scene], own)
    got = cost(pieces, cut_risk(moves, [scene]), own)
    assert got == pytest.approx(slow_reference(moves, [scene], own), abs=1e-4)


def test_a_long_video_is_billed_little_more_than_it_lasts() -> None:
    fps = Fraction(30)
    frames = int(95 * fps)
    pieces = plan_pieces(movement(frames), [], rules(fps))
    sent = [-(-(p.end - p.start + p.lead) // 30) for p in pieces]
    assert len(pieces) == 4
    assert sum(sent) <= 95 + len(pieces) + 1


def test_no_room_beside_the_lead_is_said() -> None:
    with pytest.raises(ValueError, match="leave none"):
        plan_pieces(movement(100), [], Rules(Fraction(25), 25, 25, BILLING))
