"""The measure of sync, and the mouth track measured by it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lipsync_kit.engines.preview.speech import mouth_track
from tests.benchmarks.sync import at_rate, envelope, fit, moved
from tests.engines.preview.speech_voice import SENTENCE, say

RATE = 48_000
FPS = Fraction(25)


def lips(sound: np.ndarray, length: int, late: float = 0.0) -> np.ndarray:
    opening = mouth_track([sound], RATE, int(len(sound) / RATE * 25), FPS).opening
    return at_rate(opening, (np.arange(len(opening)) + 0.5) / 25 + late, length)


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    # Speech is not periodic: the sentence's phonemes in ever new order.
    rng = np.random.default_rng(5)
    return say([SENTENCE[k] for _ in range(4) for k in rng.permutation(len(SENTENCE))])


class TestMouthTrack:
    def test_opens_with_the_sound_and_not_before_or_after_it(self, talk: np.ndarray) -> None:
        sound = envelope(talk, RATE)
        found = fit(lips(talk, len(sound)), sound)
        assert found.r > 0.7
        assert abs(found.offset_ms) <= 20

    def test_does_not_fit_another_speech(self, talk: np.ndarray) -> None:
        sound = envelope(talk, RATE)
        found = fit(lips(talk, len(sound)), sound[::-1])
        assert found.r < 0.45


class TestMeasure:
    @pytest.mark.parametrize("late", [-80, 80])
    def test_reads_back_how_late_the_lips_are(self, talk: np.ndarray, late: int) -> None:
        sound = envelope(talk, RATE)
        there = fit(lips(talk, len(sound)), sound).offset_ms
        assert abs(fit(lips(talk, len(sound), late / 1000), sound).offset_ms - there - late) <= 10
        assert abs(fit(lips(talk, len(sound)), moved(sound, -late)).offset_ms - there - late) <= 10
