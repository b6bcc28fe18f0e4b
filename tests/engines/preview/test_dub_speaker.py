"""Whom a dub moves: shots, several faces, nobody, and what stands before the mouth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_kit.engines.preview.dub import DubJob, render_dub_clip
from lipsync_kit.engines.preview.dub_face import DubFace
from lipsync_kit.engines.preview.dub_pictures import Picture
from lipsync_kit.engines.preview.dub_rest import MOVING
from lipsync_kit.engines.preview.dub_search import find_speaker
from lipsync_kit.engines.preview.dub_speaker import Speaker
from lipsync_kit.engines.preview.dub_track import trusted, windows
from lipsync_kit.engines.preview.dub_view import STEADY
from lipsync_kit.face import Face, find_faces
from lipsync_kit.progress import Silent
from tests.engines.preview import dub_films
from tests.engines.preview.dub_films import Planes

U8 = npt.NDArray[np.uint8]
SHOT = 20
HIDDEN, SHOWN = 24, 40
MOUTH = 150
"""Pixels that differ at least when a mouth says something else."""


@dataclass
class Take:
    """A video, who speaks in it, and how it looks dubbed to silence."""

    video: Path
    speaker: Speaker
    dubbed: Path

    def changes(self, columns: slice = slice(None)) -> npt.NDArray[np.int64]:
        """How many pixels of each frame are clearly not the source's, in some columns."""
        pairs = zip(dub_films.lumas(self.video), dub_films.lumas(self.dubbed), strict=True)
        apart = [np.abs(a[:, columns].astype(int) - b[:, columns]) > 24 for a, b in pairs]
        return np.array([int(far.sum()) for far in apart])


def take(folder: Path, frames: list[Planes], face: int | None = None) -> Take:
    """Find the speaker and dub the video to silence."""
    video = dub_films.write(folder / "v.mp4", frames)
    find_speaker(video, dub_films.FPS, face, Silent()).save(folder / "speaker.npz")
    dub_films.track(np.zeros(len(frames))).save(folder / "track.npz")
    job = DubJob(
        video, folder / "speaker.npz", folder / "track.npz", folder / "dub.mp4",
        dub_films.FPS, 0, 0, len(frames),
    )  # fmt: skip
    render_dub_clip(job)
    return Take(video, Speaker.load(folder / "speaker.npz"), folder / "dub.mp4")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Take:
    chatter = dub_films.chatter(SHOT)
    photo, drawn = dub_films.talking(chatter), dub_films.talking(chatter, drawn=True)
    frames = [*photo, *drawn, *dub_films.empty(SHOT), *photo]
    return take(tmp_path_factory.mktemp("cuts"), frames)


@pytest.fixture(scope="module")
def pair() -> list[Planes]:
    chatter = dub_films.chatter(15)
    left, right = dub_films.talking(chatter), dub_films.talking(chatter, drawn=True)
    return dub_films.beside(left, right, 0.7)


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Take:
    frames = dub_films.talking(dub_films.chatter(64))
    for at in range(HIDDEN, SHOWN):
        frames[at] = dub_films.hand(frames[at], _face(frames[at]))
    return take(tmp_path_factory.mktemp("hand"), frames)


class TestShots:
    def test_begin_at_cuts_and_each_has_its_own_reference(self, cut: Take) -> None:
        assert [(s.first, s.end) for s in cut.speaker.shots] == [
            (SHOT * i, SHOT * (i + 1)) for i in range(4)
        ]
        places = [shot.reference.place if shot.reference else None for shot in cut.speaker.shots]
        assert [None if place is None else place // SHOT for place in places] == [0, 1, None, 3]

    def test_without_anybody_are_the_source(self, cut: Take) -> None:
        assert cut.changes()[2 * SHOT : 3 * SHOT].max() == 0

    def test_show_nothing_of_their_neighbours(self, cut: Take) -> None:
        pairs = zip(dub_films.lumas(cut.video), dub_films.lumas(cut.dubbed), strict=True)
        top = [np.abs(a[:150].astype(int) - b[:150]).mean() for a, b in pairs]
        assert max(top) < 1.6
        assert cut.changes()[SHOT : 2 * SHOT].max() > MOUTH

    def test_tell_how_much_of_the_video_shows_the_speaker(self, cut: Take) -> None:
        assert cut.speaker.share == pytest.approx(0.75, abs=0.05)

    def test_are_read_back_as_they_were_written(self, cut: Take, tmp_path: Path) -> None:
        cut.speaker.save(tmp_path / "again.npz")
        again = Speaker.load(tmp_path / "again.npz", 3 * SHOT, 4 * SHOT)
        (shot,) = again.shots
        last = cut.speaker.shots[-1]
        assert shot.reference is not None
        assert last.reference is not None
        np.testing.assert_array_equal(shot.reference.luma, last.reference.luma)
        np.testing.assert_array_equal(shot.seen, last.seen)
        assert (again.grain, again.stride) == (cut.speaker.grain, cut.speaker.stride)


class TestSeveralFaces:
    @pytest.mark.parametrize(("face", "moves"), [(None, "left"), (0, "left"), (1, "right")])
    def test_only_the_chosen_one_is_dubbed(
        self, pair: list[Planes], tmp_path: Path, face: int | None, moves: str
    ) -> None:
        made = take(tmp_path, pair, face)
        assert made.speaker.faces == 2
        left = made.changes(slice(0, dub_films.SIDE)).max()
        right = made.changes(slice(dub_films.SIDE, None)).max()
        moved, still = (left, right) if moves == "left" else (right, left)
        assert moved > MOUTH
        assert still < MOUTH / 5

    def test_one_that_is_not_there_leaves_the_video_as_it_is(
        self, pair: list[Planes], tmp_path: Path
    ) -> None:
        made = take(tmp_path, pair, face=2)
        assert made.speaker.share == 0
        assert made.changes().max() < MOUTH / 5


def test_a_video_without_a_face_is_copied(tmp_path: Path) -> None:
    made = take(tmp_path, dub_films.empty(12))
    assert made.speaker.share == 0
    assert made.changes().max() < MOUTH / 5


class TestHand:
    def test_is_left_as_it_is(self, hidden: Take) -> None:
        assert hidden.changes()[HIDDEN:SHOWN].max() < MOUTH / 5

    def test_before_and_after_it_the_mouth_is_dubbed(self, hidden: Take) -> None:
        changes = hidden.changes()
        assert changes[: HIDDEN - 8].max() > MOUTH
        assert changes[SHOWN + 8 :].max() > MOUTH

    def test_the_mouth_goes_before_it_comes(self, hidden: Take) -> None:
        """A few frames before and after the hand the mouth is the source's, or on its way."""
        changes = hidden.changes()
        assert changes[HIDDEN - 2 : HIDDEN].max() < MOUTH / 5
        assert changes[SHOWN : SHOWN + 2].max() < MOUTH / 5


def test_a_turned_head_is_left_as_it_is(tmp_path: Path) -> None:
    """Landmarks of a profile carry no mouth, however sure the network is."""
    made = take(tmp_path, dub_films.talking(dub_films.chatter(20)))
    (shot,) = made.speaker.shots
    assert shot.reference is not None
    face = Face.of(shot.reference.landmarks, 1.0)
    looks = DubFace.of(shot, made.speaker.grain)
    picture = Picture(0, shot.reference.luma, shot.reference.chroma)

    def trust(degrees: float) -> float:
        turned = _turned(face, degrees)
        view = looks.rest.relief.view(face.landmarks[list(STEADY), :2])
        still = looks.rest.expression(np.zeros((len(MOVING), 2)))
        return looks.looks.trust(picture, view, still, turned)

    assert trust(0) == 1
    assert trust(60) == trust(-60) == 0


@pytest.mark.parametrize(("doubt", "left"), [(0.3, 0.0), (0.7, 1.0)])
def test_no_mouth_shines_through_another_for_long(doubt: float, left: float) -> None:
    trust = [1.0] * 15 + [doubt] * 20 + [1.0] * 15
    faded = [trusted(trust, at) for at in range(len(trust))]
    assert faded[15:35] == [left] * 20
    assert sum(0 < value < 1 for value in faded) <= 10
    assert faded[0] == faded[-1] == 1.0


def test_grain_is_measured_and_made_anew(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    frames = [
        (np.clip(luma + random.normal(0, 5, luma.shape), 16, 235).astype(np.uint8), chroma)
        for luma, chroma in dub_films.talking(np.zeros(25))
    ]
    made = take(tmp_path, frames)
    assert 3 < made.speaker.grain.sigma < 6
    changes = []
    for path in (made.video, made.dubbed):
        face = _face(frames[12])
        (x, y), reach = face.landmarks[17, :2].astype(int), int(0.05 * face.height)
        parts = [
            luma[y : y + 2 * reach, x - 2 * reach : x + 2 * reach] for luma in dub_films.lumas(path)
        ]
        fine = [
            p - cv2.GaussianBlur(p, (0, 0), 2.0)
            for p in np.diff(np.array(parts, np.float32), axis=0)
        ]
        changes.append(np.std(fine))
    assert 0.6 < changes[1] / changes[0] < 1.4


@given(st.integers(0, 20), st.integers(0, 6))
def test_windows_show_every_item_with_its_surroundings(count: int, reach: int) -> None:
    seen = [(list(window), at) for window, at in windows(iter(range(count)), reach)]
    assert [window[at] for window, at in seen] == list(range(count))
    for item, (window, _) in enumerate(seen):
        assert window == list(range(max(0, item - reach), min(count, item + reach + 1)))


def _face(planes: Planes) -> Face:
    luma, chroma = planes
    rgb = cv2.cvtColorTwoPlane(luma, chroma, cv2.COLOR_YUV2RGB_NV12)
    return find_faces(np.asarray(rgb, np.uint8))[0]


def _turned(face: Face, degrees: float) -> Face:
    """The face with its landmarks turned about the vertical."""
    angle = np.deg2rad(degrees)
    middle = face.landmarks.mean(axis=0)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    return replace(face, landmarks=((face.landmarks - middle) @ turn.T + middle).astype(np.float32))
