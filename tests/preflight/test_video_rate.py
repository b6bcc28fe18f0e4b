"""Time stamps to a constant rate: the video's own, exactly, and no frame lost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_kit.preflight.video_footage import UPRIGHT, Colour, Footage
from lipsync_kit.preflight.video_rate import STANDARD, find_grid

MILLISECONDS = Fraction(1, 1000)


def footage(
    times: list[int], time_base: Fraction = MILLISECONDS, stated: Fraction | None = None
) -> Footage:
    count = len(times)
    step = round(float(np.median(np.diff(times))))
    return Footage(
        path=Path("video.mp4"), codec="h264", width=640, height=360, pixel_aspect=Fraction(1),
        turn=UPRIGHT, pixel_format="yuv420p", colour=Colour(), interlaced=False,
        time_base=time_base, stated_rate=stated, pts=np.array(times, np.int64),
        keys=np.ones(count, np.bool_), sizes=np.ones(count, np.int64), last=step,
        offset=Fraction(0), has_sound=False, counted=False, indexed=True, copyable=True,
    )  # fmt: skip


@given(
    rate=st.sampled_from(STANDARD),
    frames=st.integers(200, 3000),
    base=st.sampled_from([MILLISECONDS, Fraction(1, 90_000), Fraction(1, 600)]),
    first=st.integers(0, 10_000),
)
@settings(deadline=None)
def test_a_steady_video_keeps_its_rate_whatever_its_clock(
    rate: Fraction, frames: int, base: Fraction, first: int
) -> None:
    times = [first + round(k / rate / base) for k in range(frames)]
    grid = find_grid(footage(times, base))
    assert grid.fps == rate
    assert grid.exact


@pytest.mark.parametrize("rate", [Fraction(23), Fraction(100, 3), Fraction(120), Fraction(240)])
def test_a_steady_rate_that_is_no_standard_is_kept(rate: Fraction) -> None:
    times = [round(k / rate * 90_000) for k in range(500)]
    grid = find_grid(footage(times, Fraction(1, 90_000), stated=rate))
    assert (grid.fps, grid.exact) == (rate, True)


@given(
    jitter=st.lists(st.floats(-0.45, 0.45), min_size=60, max_size=300),
    rate=st.sampled_from([Fraction(25), Fraction(30), Fraction(30_000, 1001)]),
)
@settings(deadline=None, max_examples=50)
def test_a_trembling_clock_costs_no_frame(jitter: list[float], rate: Fraction) -> None:
    times = sorted(
        {round(max(0.0, k + shake) / float(rate) * 90_000) for k, shake in enumerate(jitter)}
    )
    grid = find_grid(footage(times, Fraction(1, 90_000)))
    assert grid.lost == 0


@given(st.lists(st.integers(20, 180), min_size=30, max_size=200))
@settings(deadline=None, max_examples=60)
def test_a_varying_video_gets_a_standard_rate_and_loses_nothing(steps: list[int]) -> None:
    times = [0, *np.cumsum(steps).tolist()]
    grid = find_grid(footage(times))
    assert grid.lost == 0
    order = grid.order()
    assert sorted(set(order.tolist())) == list(range(len(times)))
    assert np.all(np.diff(order) >= 0)
    # Every frame begins within a frame and a half of when it was shown.
    begins = np.searchsorted(order, np.arange(len(times)))
    late = np.abs(begins / float(grid.fps) - np.array(times) / 1000)
    assert late.max() <= 1.51 / float(grid.fps)


def test_a_phone_that_drops_frames_is_filled_at_its_usual_rate() -> None:
    times = [round(k * 1000 / 30) for k in range(300) if k % 7 != 3]
    grid = find_grid(footage(times))
    assert grid.fps == 30
    assert grid.frames == 300
    assert grid.lost == 0


def test_bursts_faster_than_the_usual_rate_raise_it() -> None:
    usual = [k * 40 for k in range(100)]
    burst = [4000 + k * 20 for k in range(50)]
    grid = find_grid(footage(usual + burst))
    assert grid.fps == 50
    assert grid.lost == 0


def test_another_rate_can_be_asked_for() -> None:
    source = footage([round(k * 1000 / 30) for k in range(300)])
    slower = find_grid(source, Fraction(25))
    assert slower.fps == 25
    assert (slower.frames, slower.lost) == (250, 50)
    faster = find_grid(source, Fraction(60))
    assert (faster.frames, faster.lost) == (600, 0)
    assert not slower.exact
    assert not faster.exact


def test_a_last_frame_that_is_meant_to_last_does() -> None:
    source = footage([k * 40 for k in range(50)])
    held = find_grid(replace(source, last=2000))
    assert held.fps == 25
    assert held.frames == 49 + 50
    assert held.order()[-1] == 49


def test_asking_for_its_own_rate_changes_nothing() -> None:
    source = footage([round(k * 1001 / 30) for k in range(300)])
    assert find_grid(source, Fraction(30_000, 1001)).exact


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30_000, 1001), Fraction(24)])
def test_a_hole_does_not_change_the_rate(rate: Fraction) -> None:
    times = [round(k / rate * 90_000) for k in range(122) if k not in (119, 120)]
    grid = find_grid(footage(times, Fraction(1, 90_000)))
    assert (grid.fps, grid.frames, grid.lost) == (rate, 122, 0)
