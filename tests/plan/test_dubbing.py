"""Filling a film that is longer than its video, and ending one that is shorter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.plan.dubbing import Fit, fitted, sent_frames
from lipsync_kit.schema import Chunk

FITS: list[Fit] = ["freeze", "loop", "bounce", "cut"]


@given(video=st.integers(2, 200), film=st.integers(1, 900), fit=st.sampled_from(FITS))
def test_every_film_shows_the_video_first_and_in_order(video: int, film: int, fit: Fit) -> None:
    order = fitted(video, film, fit)
    assert len(order) == film
    assert order.min() >= 0
    assert order.max() < video
    assert np.array_equal(order[:video], np.arange(min(video, film)))


def test_freeze_holds_the_last_frame() -> None:
    assert fitted(3, 7, "freeze").tolist() == [0, 1, 2, 2, 2, 2, 2]


def test_loop_begins_again() -> None:
    assert fitted(3, 8, "loop").tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_bounce_runs_back_and_forth_without_a_frame_shown_twice_in_a_row() -> None:
    assert fitted(4, 11, "bounce").tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2]


@given(video=st.integers(2, 60), film=st.integers(2, 400))
def test_bounce_moves_by_one_frame_at_most(video: int, film: int) -> None:
    assert set(np.abs(np.diff(fitted(video, film, "bounce"))).tolist()) == {1}


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001)])
def test_a_chunk_with_handles_gets_the_frames_under_them(fps: Fraction) -> None:
    chunk = Chunk(
        index=1, start=96_000, end=144_000, sent_start=96_000 - 14_400,
        sent_end=144_000 + 14_400, path=None, cut="valley",
    )  # fmt: skip
    first, end = sent_frames(chunk, fps)
    assert abs(Fraction(first) / fps - Fraction(17, 10)) <= 1 / fps / 2
    assert abs(Fraction(end) / fps - Fraction(33, 10)) <= 1 / fps / 2
