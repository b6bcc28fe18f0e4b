"""What is shown in a silence: exactly so many frames, without a jump, never standing still."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.postprocess.idle_plan import (
    MOST_SPEED,
    Crossing,
    Moment,
    Part,
    Shot,
    Take,
    passed,
    programme,
)

rates = st.sampled_from([Fraction(25), Fraction(30), Fraction(30_000, 1001)])


@st.composite
def films(draw: st.DrawFn) -> tuple[list[Shot], list[int], int, Fraction]:
    """One to three shots, of which none, some or all are worth dwelling in."""
    fps = draw(rates)
    count = draw(st.integers(1, 3))
    frames = draw(st.integers(count, 4000))
    shots = []
    for number in range(count):
        length = draw(st.integers(1, 31))
        dwells = draw(st.booleans())
        enter = length - 1 if number == 0 else draw(st.integers(0, length - 1))
        shots.append(Shot(length, enter, enter, dwells))
    crossings = [draw(st.integers(1, 30)) for _ in shots[1:]]
    return shots, crossings, frames, fps


def moments(parts: list[Part], shot: int) -> list[Moment]:
    takes = [part for part in parts if isinstance(part, Take) and part.shot == shot]
    return [one for take in takes for drift in take.drifts for one in drift.moments()]


@settings(max_examples=150, deadline=None)
@given(films())
def test_it_fills_its_frames_exactly(film: tuple[list[Shot], list[int], int, Fraction]) -> None:
    shots, crossings, frames, fps = film
    parts = programme(shots, crossings, frames, fps)
    assert sum(part.frames for part in parts) == frames
    crossed = [part for part in parts if isinstance(part, Crossing)]
    assert [part.shot for part in crossed] == list(range(len(shots) - 1))
    assert all(made.between <= wanted for made, wanted in zip(crossed, crossings, strict=True))


@settings(max_examples=150, deadline=None)
@given(films())
def test_nothing_jumps_and_nothing_stands_still(
    film: tuple[list[Shot], list[int], int, Fraction],
) -> None:
    shots, crossings, frames, fps = film
    parts = programme(shots, crossings, frames, fps)
    for number, shot in enumerate(shots):
        shown = [Moment(shot.enter, 0, 0), *moments(parts, number)]
        assert all(0 <= one.place <= shot.frames - 1 for one in shown)
        assert abs(shown[-1].place - shot.leave) < 1e-9
        assert abs(shown[-1].breath) + abs(shown[-1].sway) < 1e-9
        for one, two in pairwise(shown):
            assert abs(two.place - one.place) <= MOST_SPEED * 1.01
            assert abs(two.breath - one.breath) < 0.14
            assert abs(two.sway - one.sway) < 0.14
        if len(shown) > 2 * fps:
            second = round(fps)
            for at in range(0, len(shown) - second, 5):
                now = shown[at : at + second]
                moved = [abs(a.breath - b.breath) + abs(a.sway - b.sway) for a, b in pairwise(now)]
                assert sum(moved) > 0.15


def test_a_long_silence_is_mostly_loops_that_are_made_once() -> None:
    fps = Fraction(25)
    parts = programme([Shot(20, 19, 19), Shot(20, 0, 0)], [20], 15_000, fps)
    different = sum(part.frames for part in set(parts))
    assert different < 900
    kinds = [part.frames for part in parts]
    assert len(set(kinds)) > 3  # not one loop over and over


def test_what_can_be_passed_is_passed_slowly() -> None:
    fps = Fraction(25)
    for frames in (1, 5, 10, 30, 100):
        reach = passed(frames, fps)
        parts = programme([Shot(80, 79, 79 - reach)], [], frames, fps)
        shown = [Moment(79, 0, 0), *moments(parts, 0)]
        assert all(abs(b.place - a.place) <= MOST_SPEED * 1.01 for a, b in pairwise(shown))
