"""What must hold between a sound and the mouth that follows it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lipsync_kit.engines.preview.speech import MouthTrack, mouth_track
from tests.engines.preview.speech_voice import SENTENCE, say

Floats = npt.NDArray[np.float32]
FPS = Fraction(25)
RATE = 48_000


def follow(sound: Floats, rate: int = RATE, fps: Fraction = FPS) -> MouthTrack:
    return mouth_track([sound], rate, int(len(sound) * fps / rate), fps)


def stretch(track: Floats, start: float, end: float, fps: Fraction = FPS) -> Floats:
    """The values of the frames that lie within ``start``…``end`` seconds."""
    middles = (np.arange(len(track)) + 0.5) / float(fps)
    return track[(middles > start) & (middles < end)]


@pytest.fixture(scope="module")
def talk() -> Floats:
    return say(SENTENCE * 4)


@pytest.fixture(scope="module")
def track(talk: Floats) -> MouthTrack:
    return follow(talk)


class TestShape:
    def test_one_value_per_frame_within_range(self, talk: Floats) -> None:
        track = mouth_track([talk], RATE, 333, Fraction(30_000, 1001))
        for curve, low in ((track.opening, 0), (track.width, -1), (track.closure, 0)):
            assert curve.shape == (333,)
            assert curve.dtype == np.float32
            assert curve.min() >= low
            assert curve.max() <= 1
        assert len(track) == 333

    def test_mouth_is_shut_after_the_sound_has_ended(self, talk: Floats) -> None:
        track = mouth_track([talk], RATE, 500, FPS)
        after = int(len(talk) / RATE * 25) + 1
        assert track.opening[after:].max() == 0
        assert track.closure[after:].min() == 1

    def test_silence_keeps_the_mouth_shut(self) -> None:
        for sound in (np.zeros(RATE, np.float32), np.empty(0, np.float32)):
            track = mouth_track([sound], RATE, 25, FPS)
            assert track.opening.max() == 0
            assert track.closure.min() == 1
            assert track.energy.max() == 0

    def test_a_tile_is_a_slice_of_the_film(self, track: MouthTrack) -> None:
        tile = track[50:90]
        assert len(tile) == 40
        assert np.array_equal(tile.width, track.width[50:90])

    def test_a_saved_track_comes_back_the_same(self, track: MouthTrack, tmp_path: Path) -> None:
        track.save(tmp_path / "mouth.npz")
        again = MouthTrack.load(tmp_path / "mouth.npz")
        for name in ("opening", "width", "closure", "energy"):
            assert np.array_equal(getattr(again, name), getattr(track, name))


class TestSameSoundSameMouth:
    def test_however_it_is_cut_into_blocks(self, talk: Floats, track: MouthTrack) -> None:
        sizes = np.random.default_rng(3).integers(1, 9000, 400)
        blocks = np.split(talk, np.cumsum(sizes)[np.cumsum(sizes) < len(talk)])
        again = mouth_track(blocks, RATE, len(track), FPS)
        assert np.array_equal(again.opening, track.opening)

    @pytest.mark.parametrize("gain", [0.01, 0.1, 3.0])
    def test_however_loud_it_was_recorded(
        self, talk: Floats, track: MouthTrack, gain: float
    ) -> None:
        again = follow(talk * np.float32(gain))
        assert np.abs(again.opening - track.opening).max() < 0.03
        assert np.abs(again.energy - track.energy).max() < 0.03

    @pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
    def test_at_every_sample_rate(self, track: MouthTrack, rate: int) -> None:
        again = mouth_track([say(SENTENCE * 4, rate)], rate, len(track), FPS)
        assert np.corrcoef(again.opening, track.opening)[0, 1] > 0.95

    def test_with_minutes_of_silence_around_it(self, talk: Floats, track: MouthTrack) -> None:
        silence = np.zeros(60 * RATE, np.float32)
        again = mouth_track([silence, silence, talk, silence], RATE, 180 * 25 + len(track), FPS)
        inside = again[120 * 25 : 120 * 25 + len(track)]
        assert np.abs(inside.opening[2:-2] - track.opening[2:-2]).max() < 0.05
        assert again.opening[: 119 * 25].max() == 0

    def test_with_a_door_slam_in_it(self, talk: Floats, track: MouthTrack) -> None:
        slam = talk.copy()
        slam[100:2000] += np.random.default_rng(0).normal(0, 0.8, 1900).astype(np.float32)
        again = follow(slam)
        assert np.corrcoef(again.opening[5:], track.opening[5:])[0, 1] > 0.95


class TestTiming:
    def test_syllables_open_the_mouth_when_they_sound(self) -> None:
        fps = Fraction(100)
        places = np.array([0.6, 1.2, 1.85, 2.43, 3.11, 3.77, 4.49])
        sound = np.zeros(int(5.2 * RATE), np.float32)
        syllable = say([("a", 0.2)])
        for place in places:
            first = round((place - 0.1) * RATE)
            sound[first : first + len(syllable)] = syllable
        opening = follow(sound, fps=fps).opening
        middles = (np.arange(len(opening)) + 0.5) / 100
        for place in places:
            near = np.abs(middles - place) < 0.25
            centre = (middles[near] * opening[near]).sum() / opening[near].sum()
            assert abs(centre - place) < 0.02
        centres = [
            np.average(
                middles[np.abs(middles - p) < 0.25], weights=opening[np.abs(middles - p) < 0.25]
            )
            for p in places
        ]
        assert abs(np.mean(np.array(centres) - places)) < 0.005

    def test_no_drift_over_minutes_at_a_broadcast_rate(self, talk: Floats) -> None:
        fps, start = Fraction(30_000, 1001), 301.0
        sound = np.concatenate([np.zeros(round(start * RATE), np.float32), talk])
        late = follow(sound, fps=fps)
        middles = (np.arange(len(late)) + 0.5) / float(fps)
        early = follow(talk, fps=Fraction(120))
        expected = np.interp(middles - start, (np.arange(len(early)) + 0.5) / 120, early.opening)
        inside = middles > start + 0.1
        assert np.corrcoef(late.opening[inside], expected[inside])[0, 1] > 0.97


class TestPauses:
    def test_lips_meet_in_pauses(self, track: MouthTrack) -> None:
        # The first pause of the sentence is 1.43…1.93 s, the last before the repeat 3.57…4.57 s.
        for start, end in ((1.6, 1.8), (3.8, 4.4)):
            assert stretch(track.opening, start, end).max() < 0.03
            assert stretch(track.closure, start, end).min() > 0.9

    @pytest.mark.parametrize("decibels", [-35, -25])
    def test_lips_meet_in_pauses_that_hiss(self, talk: Floats, decibels: float) -> None:
        level = np.sqrt((talk**2).mean()) * 10 ** (decibels / 20)
        noise = np.random.default_rng(2).normal(0, level, len(talk)).astype(np.float32)
        track = follow(talk + noise)
        assert stretch(track.opening, 3.8, 4.4).max() < 0.06
        assert stretch(track.opening, 0.4, 1.4).max() > 0.4

    def test_a_rumble_does_not_open_the_mouth(self, talk: Floats) -> None:
        time = np.arange(len(talk)) / RATE
        hum = (0.2 * np.sin(2 * np.pi * 50 * time) + 0.1).astype(np.float32)
        track = follow(talk + hum)
        assert stretch(track.opening, 3.8, 4.4).max() < 0.06


class TestPhonemes:
    def test_an_open_vowel_opens_wider_than_a_close_one(self, track: MouthTrack) -> None:
        first_a, first_i = stretch(track.opening, 0.45, 0.58), stretch(track.opening, 0.72, 0.83)
        assert first_a.mean() > 1.4 * first_i.mean()

    def test_i_spreads_the_lips_and_u_rounds_them(self) -> None:
        track = follow(
            say([("_", 0.5), ("a", 0.4), ("i", 0.5), ("a", 0.4), ("u", 0.5), ("_", 0.5)] * 2)
        )
        spread, rounded = stretch(track.width, 1.0, 1.3), stretch(track.width, 1.9, 2.2)
        assert spread.mean() > 0.1
        assert rounded.mean() < -0.1

    @pytest.mark.parametrize("labial", ["m", "p"])
    def test_lips_close_for_labials(self, labial: str) -> None:
        word = [
            ("_", 0.5),
            ("a", 0.25),
            (labial, 0.09),
            ("a", 0.25),
            ("_", 0.5),
            ("e", 0.3),
            ("a", 0.3),
        ]
        track = follow(say(word * 3), fps=Fraction(50))
        inside = stretch(track.opening, 0.76, 0.84, Fraction(50))
        around = stretch(track.opening, 0.6, 0.72, Fraction(50))
        assert inside.min() < 0.35 * around.max()

    def test_a_hiss_does_not_gape(self, track: MouthTrack) -> None:
        hiss, vowel = stretch(track.opening, 0.86, 0.93), stretch(track.opening, 0.45, 0.58)
        assert hiss.mean() < 0.5 * vowel.mean()


class TestMotion:
    def test_no_flutter(self, track: MouthTrack) -> None:
        # Syllables come at 4 to 7 Hz; movement above 10 Hz would be noise.
        power = np.abs(np.fft.rfft(track.opening - track.opening.mean())) ** 2
        hertz = np.fft.rfftfreq(len(track), 1 / 25)
        assert power[hertz > 10].sum() < 0.08 * power.sum()

    @pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(60)])
    def test_lips_move_no_faster_than_lips_can(self, talk: Floats, fps: Fraction) -> None:
        opening = follow(talk, fps=fps).opening
        assert np.abs(np.diff(opening)).max() * float(fps) < 12.1

    def test_a_quiet_speaker_is_seen_to_speak(self, talk: Floats) -> None:
        interview = np.concatenate([talk] * 3 + [talk * np.float32(0.2)] * 3)
        track = follow(interview)
        half = len(track) // 2
        assert track.opening[half + 250 :].max() > 0.55 * track.opening[: half - 250].max()


def test_memory_does_not_grow_with_the_sound_itself() -> None:
    syllables = say([("a", 0.15), ("m", 0.08), ("i", 0.12), ("_", 0.15)] * 2, 16_000)

    def minutes(count: int) -> Iterator[Floats]:
        for _ in range(count * 60):
            yield syllables

    seconds = 10 * 60
    tracemalloc.start()
    mouth_track(minutes(10), 16_000, seconds * 25, FPS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sound_bytes = seconds * 16_000 * 4
    assert peak < 30e6
    assert peak < sound_bytes


def test_weights_are_small() -> None:
    from importlib.resources import files

    size = len((files("lipsync_kit.engines.preview") / "mouth_model.npz").read_bytes())
    assert size < 150_000
