"""Filters that look both ways, and turns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.engines.preview.drive_filter import (
    bridged,
    eased,
    lasting,
    limited,
    smooth,
    steadied,
)
from lipsync_kit.engines.preview.drive_turn import angles, fitted, mean_shape, turned

LENGTH = 200


def noise(sigma: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sigma, LENGTH)


class TestSteadied:
    def test_a_trembling_rest_gets_calm(self) -> None:
        assert steadied(noise(1.0), 0.8, 3.5).std() < 0.45

    def test_a_movement_keeps_its_place_and_size(self) -> None:
        jump = np.where(np.arange(LENGTH) < 100, 0.0, 20.0) + noise(0.2)
        calm = steadied(jump, 0.5, 3.5)
        assert np.flatnonzero(calm > 10)[0] in (99, 100, 101)
        assert calm[97:103].min() == pytest.approx(0, abs=1)
        assert calm[97:103].max() == pytest.approx(20, abs=1)

    def test_a_blink_of_three_frames_is_not_lost(self) -> None:
        curve = noise(0.02)
        curve[50:53] += 1
        assert steadied(curve, 0.4, 3.0)[51] > 0.85

    @given(st.integers(0, 2**32 - 1))
    def test_nothing_moves_in_time(self, seed: int) -> None:
        curve = smooth(noise(1, seed), 3)
        backwards = steadied(curve[::-1].copy(), 0.7, 3)[::-1]
        np.testing.assert_allclose(steadied(curve, 0.7, 3), backwards, atol=1e-9)

    @pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
    def test_only_what_lasts_is_left(self, frames: int) -> None:
        curve = np.zeros((LENGTH, 1))
        for length, start in ((1, 20), (2, 40), (3, 60), (4, 80), (30, 120)):
            curve[start : start + length] = 1
        kept = lasting(curve, frames)
        assert [kept[place, 0] for place in (20, 40, 60, 80)] == [n >= frames for n in (1, 2, 3, 4)]
        np.testing.assert_array_equal(kept[110:160], curve[110:160])

    def test_a_constant_and_a_short_curve_stay_as_they_are(self) -> None:
        np.testing.assert_allclose(steadied(np.full(30, 3.5), 0.7, 3), 3.5)
        np.testing.assert_array_equal(steadied(np.array([1.0, 2]), 0.7, 3), [1, 2])


class TestBridged:
    def test_a_short_gap_is_bridged_straight(self) -> None:
        curve = np.array([1.0, 2, 0, 0, 5, 6])
        known = np.array([1, 1, 0, 0, 1, 1], bool)
        np.testing.assert_allclose(bridged(curve, known, 5), [1, 2, 3, 4, 5, 6])

    def test_a_long_gap_goes_to_rest_and_comes_back(self) -> None:
        known = np.zeros(60, bool)
        known[:10] = known[-10:] = True
        curve = np.where(known, 1.0, 0.0)
        whole = bridged(curve, known, 8)
        np.testing.assert_allclose(whole[20:40], 0)
        assert np.abs(np.diff(whole)).max() < 0.25

    def test_before_the_first_and_after_the_last_it_rests(self) -> None:
        known = np.zeros(50, bool)
        known[20:30] = True
        whole = bridged(np.where(known, 2.0, 0.0), known, 6)
        assert whole[0] == whole[-1] == 0
        assert whole[18] > 1

    def test_with_nothing_known_it_is_rest(self) -> None:
        np.testing.assert_array_equal(bridged(noise(1), np.zeros(LENGTH, bool), 6), 0)


class TestEased:
    def test_a_jump_is_spread_to_both_sides(self) -> None:
        curve = np.where(np.arange(60) < 30, 0.0, 1.0)
        calm = eased(curve, [30], 8)
        assert np.abs(np.diff(calm)).max() < 0.15
        np.testing.assert_array_equal(calm[:22], 0)
        np.testing.assert_array_equal(calm[38:], 1)

    def test_it_reaches_the_curves_ends(self) -> None:
        calm = eased(np.array([0.0, 1, 1]), [1], 8)
        assert 0 < calm[0] < calm[1] < 1


class TestLimited:
    @given(st.floats(-100, 100), st.floats(0.1, 50))
    def test_stays_within_and_keeps_the_sign(self, value: float, limit: float) -> None:
        held = float(limited(value, limit))
        assert abs(held) <= min(abs(value), limit) + 1e-12
        assert held * value >= 0
        if abs(value) <= limit / 2:
            assert held == pytest.approx(value)

    def test_more_is_never_less(self) -> None:
        assert (np.diff(limited(np.linspace(-5, 5, 400), 2.0)) >= 0).all()


class TestTurns:
    @given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
    def test_angles_come_back(self, yaw: float, pitch: float, roll: float) -> None:
        back = angles(turned(yaw, pitch, roll))
        np.testing.assert_allclose(back, (yaw, pitch, roll), atol=1e-9)

    def test_signs_are_those_of_the_picture(self) -> None:
        ahead = np.array([0, 0, -1.0])
        assert (turned(0.3, 0, 0) @ ahead)[0] > 0  # to the right
        assert (turned(0, 0.3, 0) @ ahead)[1] < 0  # up
        assert (turned(0, 0, 0.3) @ np.array([1.0, 0, 0]))[1] > 0  # clockwise

    def test_a_rigid_thing_is_found_again(self) -> None:
        random = np.random.default_rng(1)
        thing = random.normal(size=(20, 3))
        thing -= thing.mean(axis=0)
        turns = turned(random.uniform(-0.5, 0.5, 30), random.uniform(-0.5, 0.5, 30), 0.1)
        growths, middles = random.uniform(0.5, 2, 30), random.normal(size=(30, 3))
        seen = growths[:, None, None] * np.einsum("nij,kj->nki", turns, thing)
        found = fitted(thing, seen + middles[:, None])
        np.testing.assert_allclose(found[0], turns, atol=1e-9)
        np.testing.assert_allclose(found[1], growths, rtol=1e-9)
        np.testing.assert_allclose(found[2], middles, atol=1e-9)
        shape = mean_shape(seen)
        again, _, _ = fitted(shape, seen)
        np.testing.assert_allclose(again @ again[0].T, turns @ turns[0].T, atol=1e-6)
