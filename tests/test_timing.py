"""The frame grid: no rounding ever accumulates."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit import timing
from lipsync_kit.errors import UsageError

RATES = st.sampled_from(list(timing.FRAME_RATES.values()))


@given(frame=st.integers(0, 10_000_000), fps=RATES)
def test_a_grid_sample_begins_its_own_frame(frame: int, fps: Fraction) -> None:
    assert timing.edge(timing.grid_sample(frame, fps), fps) == frame


@given(lengths=st.lists(st.integers(1, 3_000_000), min_size=1, max_size=200), fps=RATES)
def test_budgets_of_any_tiling_add_up_to_the_film(lengths: list[int], fps: Fraction) -> None:
    bounds = [0]
    for length in lengths:
        bounds.append(bounds[-1] + length)
    parts = timing.budgets(bounds, fps)
    assert sum(parts) == timing.edge(bounds[-1], fps)
    for length, frames in zip(lengths, parts, strict=True):
        assert abs(frames - Fraction(length) * fps / timing.SAMPLE_RATE) <= 1


@given(samples=st.integers(1, 10**9), fps=RATES)
def test_a_film_is_within_half_a_frame_of_its_sound(samples: int, fps: Fraction) -> None:
    frames = timing.film_frames(samples, fps)
    exact = Fraction(samples) * fps / timing.SAMPLE_RATE
    assert frames >= 1
    assert abs(frames - exact) <= Fraction(1, 2) or frames == 1


def test_a_rate_that_is_not_offered_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="30000/1001"):
        timing.parse_rate("23")


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.64, "9.6 s"), (247, "4:07"), (3723, "1:02:03"), (59.99, "60.0 s")]
)
def test_seconds_read_like_a_clock(seconds: float, text: str) -> None:
    assert timing.clock(seconds) == text
