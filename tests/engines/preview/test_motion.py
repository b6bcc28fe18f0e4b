from dataclasses import astuple
from fractions import Fraction

import numpy as np
import pytest

from lipsync_kit.engines.preview.motion import Motion
from lipsync_kit.engines.preview.pose import Pose
from lipsync_kit.engines.preview.speech import MouthTrack

FPS = Fraction(25)


def babble(frames: int) -> MouthTrack:
    """A stand-in for speech: syllables at 4 Hz in phrases of 3 s with pauses of 1 s."""
    t = np.arange(frames) / float(FPS)
    phrase = (t % 4 < 3).astype(np.float32)
    opening = (phrase * (0.5 - 0.5 * np.cos(2 * np.pi * 4 * t))).astype(np.float32)
    return MouthTrack(opening, np.sin(t).astype(np.float32) * phrase, 1 - phrase, 0.8 * phrase)


def table(poses: list[Pose]) -> np.ndarray:
    return np.array([astuple(pose) for pose in poses])


@pytest.fixture(scope="module")
def film() -> Motion:
    return Motion(babble(3000), FPS, seed=7)


def test_a_chunk_alone_moves_as_it_does_in_the_film(film: Motion) -> None:
    whole = table(film.poses(0, 600))
    for first, frames in ((0, 1), (123, 77), (250, 350)):
        np.testing.assert_allclose(
            table(film.poses(first, frames)), whole[first : first + frames], atol=1e-12
        )


def test_seeds_differ_and_repeat(film: Motion) -> None:
    again, other = (Motion(film.track, FPS, seed) for seed in (7, 8))
    np.testing.assert_array_equal(table(again.poses(0, 200)), table(film.poses(0, 200)))
    assert np.abs(table(other.poses(0, 200)) - table(film.poses(0, 200))).max() > 0.01


def test_the_head_moves_slowly_and_little(film: Motion) -> None:
    head = table(film.poses(0, 3000))[:, :6]
    assert np.abs(head).max() < 0.09
    assert np.abs(np.diff(head, axis=0)).max() < 0.006
    assert head[:, 0].std() > 0.01


def test_blinks_come_every_few_seconds_close_fully_and_fast(film: Motion) -> None:
    blink = table(film.poses(0, 3000))[:, [f == "blink" for f in Pose.__dataclass_fields__]].ravel()
    starts = np.flatnonzero((blink[1:] > 0.5) & (blink[:-1] <= 0.5))
    assert 20 <= len(starts) <= 50
    assert np.diff(starts).max() / 25 < 8
    for start in starts[:-1]:
        assert blink[start : start + 8].max() > 0.9
    assert (blink > 0.5).mean() < 0.1


def test_the_gap_follows_the_track_and_lips_close_in_pauses(film: Motion) -> None:
    poses = film.poses(0, 400)
    gap = np.array([pose.gap for pose in poses])
    assert np.corrcoef(gap, film.track.opening[:400])[0, 1] > 0.999
    assert gap[film.track.closure[:400] == 1].max() == 0


def test_a_film_shorter_than_the_clip_asked_for_goes_on_resting() -> None:
    poses = Motion(babble(10), FPS, 1).poses(5, 20)
    assert len(poses) == 20
