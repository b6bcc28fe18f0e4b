"""Pauses found in levels and probabilities, at any level of speech and of noise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lipsync_kit.plan.pauses import HOP, Levels, find_pauses, find_valleys, speaking


def heard(
    words: list[tuple[float, float]], seconds: float, speech: float, noise: float
) -> tuple[Levels, Levels, int]:
    """Probability of speech and level (dB) per 10 ms of words ``(start, end)`` over noise."""
    rng = np.random.default_rng(1)
    at = (np.arange(int(seconds * 100)) + 1) / 100
    spoken = np.any([(start <= at) & (at < end) for start, end in words], axis=0)
    levels = np.where(spoken, speech + rng.normal(0, 3, len(at)), noise + rng.normal(0, 1, len(at)))
    return spoken.astype(np.float32), levels.astype(np.float32), int(seconds * 48_000)


WORDS = [(0.5 + 2 * k, 2.1 + 2 * k) for k in range(15)]


@pytest.mark.parametrize("speech", [-60.0, -25.0, -5.0])
@pytest.mark.parametrize("ratio", [15.0, 30.0, 60.0])
def test_every_pause_is_found_at_any_level(speech: float, ratio: float) -> None:
    voice, levels, samples = heard(WORDS, 31, speech, speech - ratio)
    pauses = find_pauses(voice, levels, samples)
    assert len(pauses) == len(WORDS) + 1
    for pause, (_, end), (start, _) in zip(pauses[1:-1], WORDS, WORDS[1:], strict=False):
        assert pause.start / 48_000 == pytest.approx(end, abs=0.025)
        assert pause.end / 48_000 == pytest.approx(start, abs=0.025)
        assert pause.voiced < 0.2
    assert pauses[0].start == 0
    assert pauses[-1].end == samples


def test_the_sound_of_a_stop_consonant_is_no_pause() -> None:
    words = [(0.5, 1.0), (1.06, 2.0), (2.5, 3.0)]
    voice, levels, samples = heard(words, 3.5, -20, -60)
    pauses = find_pauses(voice, levels, samples)
    assert len(pauses) == 3


def test_a_click_does_not_end_a_pause() -> None:
    voice, levels, samples = heard([(0.5, 1.0), (2.0, 3.0)], 3.5, -20, -60)
    levels[150] = -15
    pauses = find_pauses(voice, levels, samples)
    assert len(pauses) == 3


def test_speech_without_pauses_has_valleys_at_its_dips() -> None:
    voice, levels, samples = heard([(0.0, 20.0)], 20, -20, -60)
    dips = np.arange(100, 2000, 100)
    levels[dips - 1] = -40
    assert not find_pauses(voice, levels, samples)
    valleys = find_valleys(voice, levels, samples, [], samples // 4, Fraction(25))
    deep = [valley for valley in valleys if valley.depth > 15]
    assert [valley.sample // HOP for valley in deep] == pytest.approx(dips.tolist(), abs=1)
    gaps = np.diff([0, *(valley.sample for valley in valleys), samples])
    assert gaps.max() <= 48_000


def test_a_detectors_late_answers_are_put_back_in_time() -> None:
    frame, lag = 768, 768
    late = np.zeros(100, np.float32)
    late[51:61] = 1.0  # heard one frame after it was spoken, from 50 to 60 frames
    at_hops = speaking(late, 160, frame, lag)
    spoken = np.flatnonzero(at_hops > 0.5) + 1  # in hops of 480 samples, by their middle
    assert spoken[0] * HOP == pytest.approx(50 * frame, abs=HOP)
    assert spoken[-1] * HOP == pytest.approx(60 * frame, abs=HOP)
